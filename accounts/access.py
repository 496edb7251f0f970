"""The access version: a number that grows whenever somebody's rights, password or session change.

Long-lived connections compare it once a second instead of asking about their person with every message. Its row is
also the lock under which decisions about administrators are taken, since SQLite knows no row locks.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import F
from django.db.models.signals import m2m_changed, post_delete, post_save

from accounts.models import AccessVersion, RightGrant, Session
from operations.models import Restriction


def current_version() -> int:
    """The number now; 0 before the first change. One query by primary key."""
    return AccessVersion.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def bump() -> None:
    """Count up. Inside a transaction this also holds the row until the commit, so that of two people who decide
    about administrators at once, the second sees what the first did."""
    if not AccessVersion.objects.filter(pk=1).update(number=F("number") + 1):
        AccessVersion.objects.bulk_create([AccessVersion(pk=1)], ignore_conflicts=True)
        AccessVersion.objects.filter(pk=1).update(number=F("number") + 1)


def connect() -> None:
    """Count up by signal, so that a change by shell or command counts like one by page.

    `QuerySet.update` sends no signal: whoever uses it on these models calls `bump` as well.
    """
    user = get_user_model()
    for sender, changes in (
        (user, (post_save, post_delete)),
        (Group, (post_save, post_delete)),
        (Session, (post_delete,)),
        (RightGrant, (post_save, post_delete)),
        (Restriction, (post_save, post_delete)),
    ):
        for signal in changes:
            signal.connect(_changed, sender=sender, dispatch_uid=f"access {sender.__name__}")
    for through in (user.groups.through, user.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_changed, sender=through, dispatch_uid=f"access {through.__name__}")


def _changed(sender: Any, **about: Any) -> None:
    fields = about.get("update_fields")
    if fields is not None and set(fields) == {"last_login"}:
        return  # signing in changes nobody's rights
    if about.get("action", "post").startswith("pre"):
        return
    if sender is Session and about["instance"].user_id is None:
        return  # a session of nobody gave no right
    bump()
