"""Which audit entries somebody sees, and those among them that fit filters and words, a page at a time.

An administrator sees all. Anybody else sees what they did themselves, and what was done to what they may see: their
boards, slots and consoles; with a right everywhere also images and first-boot profiles. Who signed in, people and
their rights are for administrators.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.lookups import GreaterThan
from django.utils import timezone
from django.utils.dateparse import parse_date

from operations import audit, rights
from operations.exporting import FORMATS
from operations.models import AuditEntry
from operations.refusals import BadRequest
from operations.roles import Actor, may, require

PER_PAGE = 50
COUNTED = 10_000  # how far entries are counted: beyond that nobody reads on, they filter
NARROW = 5_000  # entries of a board or a span of time that are rather sorted than looked for among all
FILTERS = ("text", "actor", "action", "target", "outcome", "operation", "from", "to")
#: Targets that are no board but are seen with a right everywhere.
SHARED_KINDS = ("image:", "upload:", "profile:", "host:")

_WORDS_SQLITE = "operations_auditentry.seq IN (SELECT rowid FROM operations_auditwords WHERE words MATCH %s)"
_WORDS_POSTGRESQL = (  # the expression of the index, letter by letter
    "to_tsvector('simple', regexp_replace(left(operations_auditentry.text, 200000),"
    r" '(\\u[0-9a-f]{4}|\\.|[^[:alnum:]])+', ' ', 'g'))"
    " @@ to_tsquery('simple', %s)"
)


# ---- Who sees what ------------------------------------------------------------------------------------------------


def sees_all(actor: Actor) -> bool:
    """Whether they read everybody's entries, with addresses and the signed text."""
    return bool(may(actor, "audit.verify", rights.PORTAL))


def is_own(actor: Actor, entry: AuditEntry) -> bool:
    """Whether they did it themselves. A person of the operating system of the same name is somebody else."""
    return bool(actor.name) and entry.actor == actor.name and entry.source != "cli"


def visible(actor: Actor, *, to_count: bool = False) -> QuerySet[AuditEntry]:
    """The entries that `actor` sees, newest first; or in no order, `to_count` them."""
    entries = AuditEntry.objects.all()
    if sees_all(actor):
        return entries
    seen = Q(actor=actor.name) & ~Q(source="cli") if actor.name else Q(pk__in=[])
    scopes = scopes_of(actor)
    for scope in scopes:
        seen |= _on(scope)
    # Who has a right everywhere sees most of what there is.
    return entries.filter(seen) if rights.EVERYWHERE in scopes else _fitting(entries, seen, to_count)


def scopes_of(actor: Actor) -> list[str]:
    """Where they may read the audit log: of each right and each limit of their token the narrower."""
    now = timezone.now()
    scopes = {grant.scope for grant in actor.held if grant.runs(now) and "audit.view" in grant.actions}
    if actor.limits is not None:
        limits = actor.limits.resources if actor.limits.allows("audit.view") else ()
        pairs = [(scope, limit) for scope in scopes for limit in limits]
        scopes = {limit for scope, limit in pairs if rights.covers(scope, limit)} | {
            scope for scope, limit in pairs if rights.covers(limit, scope)
        }
    return sorted(scopes)


def _on(scope: str) -> Q:
    """Entries about what lies within a scope."""
    if scope == rights.EVERYWHERE:
        slots = Q(target__contains="/") & ~Q(target__startswith="group:")  # a group's name may have a slash
        boards = slots | ~Q(target__contains=":") & ~Q(target__in=["", rights.PORTAL])
        for kind in SHARED_KINDS:
            boards |= Q(target__startswith=kind)
        return boards
    slot = rights.slot_of(scope)
    if slot is not None:
        board = rights.board_of(scope)
        return Q(target__in=[f"{board}/slot:{slot}", f"{board}/uart:{slot}"])
    return _board(scope)


def _board(slug: str) -> Q:
    """A board and all that is on it, so that the index finds it: SQLite's LIKE is for letters of any case, and reads
    everything."""
    if connection.vendor == "sqlite":
        return Q(target=slug) | Q(target__gte=f"{slug}/", target__lt=f"{slug}0")  # "0" comes after "/"
    return Q(target=slug) | Q(target__startswith=f"{slug}/")


def _fitting(entries: QuerySet[AuditEntry], wanted: Q, to_count: bool) -> QuerySet[AuditEntry]:
    """Those of `entries` that are `wanted`: few are found by an index and sorted by number, many are looked for among
    the numbers, by a condition that no index serves. What is only counted is never sorted."""
    if not wanted:
        return entries
    if to_count or AuditEntry.objects.order_by().filter(wanted)[: NARROW + 1].count() <= NARROW:
        return entries.filter(wanted)
    fits = Case(When(wanted, then=Value(True)), default=Value(False))
    return entries.filter(GreaterThan(fits, Value(False)))


# ---- Filters ------------------------------------------------------------------------------------------------------


def asked_for(given: Mapping[str, str]) -> dict[str, str]:
    """The filters in a request's fields; `on` is a day by itself."""
    asked = {name: given.get(name, "").strip()[:200] for name in FILTERS}
    day = given.get("on", "").strip()
    return {**asked, "from": asked["from"] or day, "to": asked["to"] or day}


def narrowed(
    entries: QuerySet[AuditEntry], asked: Mapping[str, str], *, to_count: bool = False
) -> QuerySet[AuditEntry]:
    """Those of `entries` that fit all filters that are given (`FILTERS`); a day or id that cannot be fits none."""
    for name in ("actor", "action", "outcome"):
        if asked[name]:
            entries = entries.filter(**{name: asked[name]})
    if target := asked["target"]:
        is_one = "/" in target or ":" in target
        entries = entries.filter(target=target) if is_one else _fitting(entries, _board(target), to_count)
    if asked["text"]:
        entries = entries.filter(_says(asked["text"]))
    try:
        if asked["operation"]:
            entries = entries.filter(operation_id=uuid.UUID(asked["operation"]))
        return _fitting(entries, _between(_day(asked["from"]), _day(asked["to"])), to_count)
    except ValueError:
        return entries.none()


def _says(text: str) -> Q | RawSQL:
    """Entries that have each word of `text` in them, or a word that begins with it."""
    words = [parts for word in text.split() if (parts := re.findall(r"[^\W_]+", word))]
    if not words:
        return Q(pk__in=[])
    if connection.vendor == "sqlite":
        query, sql = " ".join(f'"{" ".join(parts)}"*' for parts in words), _WORDS_SQLITE
    else:
        query, sql = " & ".join(f"({' <-> '.join(parts)}:*)" for parts in words), _WORDS_POSTGRESQL
    return RawSQL(sql, [query], output_field=BooleanField())


def _day(text: str) -> datetime | None:
    """The beginning of a day, UTC; None for "". Raises ValueError for what is none."""
    if not text:
        return None
    day = parse_date(text)
    if day is None:
        raise ValueError(text)
    return timezone.make_aware(datetime.combine(day, time.min))


def _between(first: datetime | None, last: datetime | None) -> Q:
    """Of the days from `first` to `last`. A clock that was set back makes numbers and times disagree, so both count."""
    span = Q()
    if first is not None:
        span &= Q(at__gte=first)
    if last is not None:
        span &= Q(at__lt=last + timedelta(days=1))
    return span


def export(actor: Actor, asked: Mapping[str, str], form: str) -> QuerySet[AuditEntry]:
    """The entries for a file that `actor` takes away; that they did is on record. Raises `NotPermitted` to whoever does
    not read everything, and `BadRequest` for a form that there is none of."""
    require(actor, "audit.verify", rights.PORTAL)
    if form not in FORMATS:
        raise BadRequest(f"{form or 'Nothing'} is no form of an export; there are {', '.join(FORMATS)}.")
    given = {name: value for name, value in asked.items() if value}
    with transaction.atomic():
        detail = {"format": form, "filters": given}
        audit.record("audit.export", actor=actor, target=rights.PORTAL, detail=detail)
    return narrowed(AuditEntry.objects.all(), asked)


# ---- Pages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """Entries, newest first, and the numbers before or after which the next pages are; None where there is none."""

    entries: list[AuditEntry]
    newer: int | None
    older: int | None

    @property
    def newest(self) -> bool:
        return self.newer is None


def page(entries: QuerySet[AuditEntry], *, before: int | None = None, after: int | None = None) -> Page:
    """The newest `PER_PAGE` of `entries`, or those before or right after an entry's number. One query, two at the
    newest end; however far down, it costs the same."""
    if after is not None:
        found = list(entries.filter(seq__gt=after).order_by("seq")[: PER_PAGE + 1])
        if len(found) > PER_PAGE:
            shown = found[PER_PAGE - 1 :: -1]
            return Page(shown, shown[0].seq, shown[-1].seq)
        before = None  # that few are the newest page
    if before is not None:
        entries = entries.filter(seq__lt=before)
    found = list(entries.order_by("-seq")[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    newer = None if before is None else (shown[0].seq if shown else before - 1)
    return Page(shown, newer, shown[-1].seq if len(found) > PER_PAGE else None)


def counted(entries: QuerySet[AuditEntry]) -> int:
    """How many there are, up to `COUNTED` + 1, which means more."""
    return entries.order_by()[: COUNTED + 1].count()
