"""Until now an operator could flash and change VLANs as well. Since roles are sets of actions, that takes two more
roles: whoever is operator now is given both everywhere, so that nobody wakes up with less than they had."""

from django.db import migrations
from django.utils import timezone

GIVEN_BY = "portal (operators could do this before)"


def keep(apps, schema_editor):
    user, grant = apps.get_model("accounts", "User"), apps.get_model("accounts", "RightGrant")
    grant.objects.bulk_create(
        grant(user=person, role=role, scope="*", given_by=GIVEN_BY, given_at=timezone.now())
        for person in user.objects.filter(role="operator")
        for role in ("flasher", "network-engineer")
    )


def forget(apps, schema_editor):
    """Back to the three roles that there were: what lies between becomes the nearest one that gives no more."""
    user = apps.get_model("accounts", "User")
    user.objects.filter(role__in=["", "console-operator", "network-engineer"]).update(role="viewer")
    user.objects.filter(role="flasher").update(role="operator")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_rights")]

    operations = [migrations.RunPython(keep, forget)]
