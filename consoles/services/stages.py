"""The rules by which boots are recognised: the shipped ones, and those that people add for their SOMs."""

from typing import Any

from django.apps import apps as installed
from django.core.exceptions import ValidationError
from django.db import transaction

from consoles.models import StageRule
from consoles.services.ports import EDIT, tell_daemon
from consoles.stages import SHIPPED
from operations import audit, refusals, roles
from operations.roles import Actor
from slots.models import Slot

PORTAL = "portal"


def seed_shipped_rules(apps: Any = installed, using: str = "default", **_: Any) -> None:
    """After each migration or flush: add the shipped rules that are missing, drop those that are shipped no longer.
    Whether one is enabled stays as somebody set it."""
    try:
        rules = apps.get_model("consoles", "StageRule").objects.using(using)
    except LookupError:  # migrated back to before there were any
        return
    wanted = {(rule.stage, rule.match, rule.text) for rule in SHIPPED}
    there = {(row.stage, row.match, row.text): row.pk for row in rules.filter(shipped=True)}
    rules.filter(pk__in=[pk for key, pk in there.items() if key not in wanted]).delete()
    for rule in SHIPPED:
        if (rule.stage, rule.match, rule.text) not in there:
            rules.create(stage=rule.stage, match=rule.match, text=rule.text, shipped=True)


def rules() -> list[StageRule]:
    """All rules, in the order in which they were made. One query."""
    return list(StageRule.objects.select_related("som_type"))


def find_rule(pk: int) -> StageRule:
    """The rule of that number. Raises `NotFound`."""
    rule = StageRule.objects.select_related("som_type").filter(pk=pk).first()
    if rule is None:
        raise refusals.NotFound("There is no such rule any more.", code="unknown-rule")
    return rule


def save_rule(rule: StageRule, actor: Actor) -> None:
    """Add a rule, or keep a changed one. Raises `NotPermitted`, `BadRequest` for a text that no line could have,
    `Conflict` for a shipped rule."""
    roles.require(actor, EDIT, PORTAL)
    rule.text = rule.text.strip()
    if not rule.text or not rule.text.isprintable():
        raise refusals.BadRequest("A rule needs a text of one line, without control characters.", code="invalid-rule")
    try:
        rule.full_clean()
    except ValidationError as error:
        raise refusals.BadRequest(" ".join(error.messages), code="invalid-rule") from error
    before = StageRule.objects.select_related("som_type").filter(pk=rule.pk).first() if rule.pk else None
    if rule.shipped or (before is not None and before.shipped):
        raise refusals.Conflict("This rule is shipped with the portal; disable it and add your own.", code="shipped")
    with transaction.atomic():
        rule.save()
        _record("stage-rule.change" if before else "stage-rule.add", actor, before, rule)


def enable_rule(rule: StageRule, enabled: bool, actor: Actor) -> None:
    """Let a rule count, or not; shipped ones too. Raises `NotPermitted`."""
    roles.require(actor, EDIT, PORTAL)
    with transaction.atomic():
        before = StageRule.objects.select_related("som_type").get(pk=rule.pk)
        rule.enabled = enabled
        rule.save(update_fields=["enabled"])
        _record("stage-rule.change", actor, before, rule)


def remove_rule(rule: StageRule, actor: Actor) -> None:
    """Delete a rule. Raises `NotPermitted`, `Conflict` for a shipped one."""
    roles.require(actor, EDIT, PORTAL)
    with transaction.atomic():
        if not StageRule.objects.filter(pk=rule.pk, shipped=False).delete()[0]:
            raise refusals.Conflict("This rule is shipped with the portal, or gone already.", code="shipped")
        _record("stage-rule.remove", actor, rule, None)


def _record(action: str, actor: Actor, before: StageRule | None, after: StageRule | None) -> None:
    """Audit it, and let the daemon read the rules of all ports again."""
    detail = {"before": _row(before), "after": _row(after)}
    audit.record(action, actor=actor, target=PORTAL, detail=detail)
    slots = list(Slot.objects.select_related("board").filter(uart=True, board__present=True))
    transaction.on_commit(lambda: tell_daemon(slots))


def _row(rule: StageRule | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    row = {name: getattr(rule, name) for name in ("stage", "match", "text", "enabled")}
    return {**row, "som_type": str(rule.som_type) if rule.som_type else None}
