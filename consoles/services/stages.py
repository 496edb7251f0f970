"""The rules by which boots are recognised."""

from typing import Any

from django.apps import apps as installed

from consoles.stages import SHIPPED


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
