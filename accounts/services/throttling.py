"""How often one may try to sign in, so that nobody guesses and nobody is locked out for good.

Tries are counted for the account and for the address they come from; after a few, each further one makes the next
wait, longer every time up to a bound. Two ways stay open for whoever belongs here:

- A browser that has signed in to an account before carries a signed cookie and has a count of its own: what strangers
  try, from wherever, does not make it wait.
- The account of the last administrator, or of the last whose account is not made to wait just now, does not wait for
  what is tried elsewhere: only tries at this very account from the same address count, and for a short time. (The
  price, said in docs/adr: a guesser with many addresses is slowed down less there.)

A try is counted before the password is looked at and given back when it was right, so that a hundred at once do not
pass as one. A name that nobody has is treated like any other.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import SignInTries, User
from accounts.services.people import administrators
from operations import audit
from operations.refusals import TooManyTries
from operations.roles import Actor
from operations.sealing import fingerprint


@dataclass(frozen=True)
class Rule:
    """`free` failures are without consequence; the next makes one wait `first_wait`, each further one twice as long,
    up to `longest_wait`."""

    free: int
    first_wait: timedelta
    longest_wait: timedelta


MINUTE = timedelta(minutes=1)
ACCOUNT = Rule(free=5, first_wait=MINUTE, longest_wait=15 * MINUTE)
ADDRESS = Rule(free=10, first_wait=MINUTE, longest_wait=15 * MINUTE)
LAST_ADMINISTRATOR = Rule(free=5, first_wait=MINUTE / 2, longest_wait=MINUTE)
FORGOTTEN_AFTER = timedelta(hours=1)
WARN_FROM = 3  # tries left


@dataclass(frozen=True)
class Count:
    """Failures of late under one key, and until when no further try is let through."""

    count: int
    last_at: datetime
    until: datetime | None


@dataclass(frozen=True)
class Key:
    """What tries are counted for. One that is not `asked` is counted, but keeps nobody waiting now; tries under one
    that is `shared` may have been at other accounts."""

    text: str
    rule: Rule
    what: str  # "this account", "this address", "this browser"
    is_asked: bool = True
    is_shared: bool = False


@dataclass(frozen=True)
class Allowance:
    """A try that was let through: what it counts for, and how many more there are without waiting."""

    keys: tuple[Key, ...]
    left: int
    scarce: str  # what has so few left
    wait: timedelta  # and how long it waits then

    @property
    def warning(self) -> str:
        """A sentence for who has few tries left, or empty."""
        if self.left > WARN_FROM:
            return ""
        wait = in_words(self.wait)
        if self.left <= 0:
            return f"{self.scarce.capitalize()} now waits {wait}. Nobody is locked out for good."
        tries = f"{self.left} more tries" if self.left > 1 else "1 more try"
        return f"After {tries} {self.scarce} waits {wait}. Nobody is locked out for good."


# ---- Pure --------------------------------------------------------------------------------------------------------


def counted(before: Count | None, rule: Rule, now: datetime) -> Count:
    """One failure more, as of `now`. What is old, or from a future that a wrong clock made, is forgotten."""
    known = before is not None and abs(now - before.last_at) < FORGOTTEN_AFTER
    count = (before.count if before is not None and known else 0) + 1
    over = count - rule.free
    if over <= 0:
        return Count(count, now, None)
    wait = min(rule.first_wait * 2 ** min(over - 1, 16), rule.longest_wait)
    return Count(count, now, now + wait)


def waits(count: Count | None, rule: Rule, now: datetime) -> timedelta:
    """How long no try is let through; zero or less when one is. Never more than the rule's longest."""
    if count is None or count.until is None or count.until - now > rule.longest_wait:
        return timedelta(0)
    return count.until - now


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 network gives to one customer."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # a unix socket has none
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def in_words(wait: timedelta) -> str:
    seconds = max(1, round(wait.total_seconds()))
    return f"{seconds} s" if seconds < 60 else f"{-(-seconds // 60)} min"


# ---- On record ---------------------------------------------------------------------------------------------------


def keys_for_password(name: str, address: str, device: str = "") -> tuple[Key, ...]:
    """What a password typed for `name` counts for; `device` is the id of a browser that has signed in as them."""
    if device:
        return (Key(_text("device", device), ACCOUNT, "this browser"),)
    network = network_of(address)
    if _is_last_administrator(name):
        pair = Key(_text("pair", f"{network} {name.lower()}"), LAST_ADMINISTRATOR, "this address")
        return pair, Key(_text("address", network), ADDRESS, "this address", is_asked=False, is_shared=True)
    account = Key(_text("account", name.lower()), ACCOUNT, "this account")
    return account, Key(_text("address", network), ADDRESS, "this address", is_shared=True)


def keys_for_code(person: User, address: str, device: str = "") -> tuple[Key, ...]:
    """What a code of the second step counts for. Whoever gets here knows the password, so the last administrator's
    account waits like any other (their recovery codes, which are too long to guess, count for the address alone), but
    not for what somebody beside them did who does not know it."""
    if device:
        return (Key(_text("device code", device), ACCOUNT, "this browser"),)
    code = Key(_text("code", str(person.pk)), ACCOUNT, "this account")
    is_asked = not _is_last_administrator(person.username)
    return code, Key(_text("address", network_of(address)), ADDRESS, "this address", is_asked, is_shared=True)


def keys_for_recovery(address: str) -> tuple[Key, ...]:
    """What a recovery code, or anything else that cannot be guessed, counts for."""
    return (Key(_text("recovery", network_of(address)), ADDRESS, "this address", is_shared=True),)


def keys_for_confirmation(person: User, address: str) -> tuple[Key, ...]:
    """What one's own password counts for, asked of somebody who is signed in."""
    text = _text("confirmation", f"{person.pk} {network_of(address)}")
    return (Key(text, ACCOUNT, "this address"),)


def take(keys: Sequence[Key]) -> Allowance:
    """Count a try before it is made. Raises TooManyTries, with what waits and for how long, and then counts nothing.

    One short transaction: of many tries at the same moment each sees those before it.
    """
    now = timezone.now()
    with transaction.atomic():
        SignInTries.objects.filter(last_at__lt=now - FORGOTTEN_AFTER).delete()
        fresh = [SignInTries(key=key.text, last_at=now) for key in keys]
        SignInTries.objects.bulk_create(fresh, ignore_conflicts=True)
        left = []
        for key in sorted(keys, key=lambda key: key.text):  # in one order, so that no two wait for each other
            SignInTries.objects.filter(key=key.text).update(key=key.text)  # from here on the row is ours
            row = SignInTries.objects.get(key=key.text)
            before = Count(row.count, row.last_at, row.until) if row.count else None
            wait = waits(before, key.rule, now)
            if key.is_asked and wait > timedelta(0):
                raise TooManyTries(
                    f"Too many tries: {key.what} waits {in_words(wait)}. Nobody is locked out for good.",
                    retry_after_seconds=max(1, round(wait.total_seconds())),
                )
            after = counted(before, key.rule, now)
            row.count, row.last_at, row.until = after.count, after.last_at, after.until
            row.save()
            if key.is_asked:
                left.append(
                    (key.rule.free - after.count + 1, key.what, waits(after, key.rule, now) or key.rule.first_wait)
                )
    return Allowance(tuple(keys), *min(left))


def give_back(allowance: Allowance) -> None:
    """The try was right: forget what was counted for the account or the browser, and of what is shared this one."""
    with transaction.atomic():
        for key in allowance.keys:
            rows = SignInTries.objects.filter(key=key.text)
            if key.is_shared:
                rows.filter(count__gt=0).update(count=F("count") - 1, until=None)
                rows = rows.filter(count=0)
            rows.delete()


def forgive(actor: Actor, person: User) -> None:
    """Forget all tries that failed, so that this person may try at once from wherever. On record."""
    with transaction.atomic():
        SignInTries.objects.all().delete()  # whose address is whose is not known, so everybody's
        audit.record("sign-in.let-in", actor=actor, target=f"person:{person.username}")


def _text(kind: str, about: str) -> str:
    return fingerprint(f"{kind}:{about}", "sign-in tries")


def _is_last_administrator(name: str) -> bool:
    """Whether nobody else could sign in from anywhere and administer: there is nobody else, or their accounts wait."""
    names = {one.lower() for one in administrators().values_list("username", flat=True)}
    if name.lower() not in names:
        return False
    others = [_text("account", other) for other in names - {name.lower()}]
    now = timezone.now()
    waiting = SignInTries.objects.filter(key__in=others, until__gt=now, until__lte=now + ACCOUNT.longest_wait)
    return waiting.count() == len(others)
