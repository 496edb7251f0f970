"""What somebody has to be told, wherever they are in the portal: shown on every page until they have seen it."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Notice, User
from operations import events
from operations.refusals import NotFound

SHOWN = 5  # at once; the others come up as these are put away
BIGGEST = 2**63 - 1  # number that a database takes
KEPT, KEPT_SEEN = timedelta(days=90), timedelta(days=30)


def tell(user_id: int, text: str, link: str = "", about: str = "") -> None:
    """Leave a notice for a person; nobody is told if they are gone. `about` names what makes it stale (`overtake`).
    Hints to open pages after the commit."""
    if User.objects.filter(pk=user_id).exists():
        Notice.objects.create(user_id=user_id, at=timezone.now(), text=text[:300], link=link, about=about)
        events.hint("notice")


def overtake(about: str) -> None:
    """What was said about this is not so any more: it is put away for whoever has not seen it."""
    if Notice.objects.filter(about=about, seen_at=None).update(seen_at=timezone.now()):
        events.hint("notice")


def unseen(user_id: int | None) -> QuerySet[Notice]:
    """What this person has not seen yet, the oldest first; nothing for nobody."""
    if user_id is None:
        return Notice.objects.none()
    return Notice.objects.filter(user_id=user_id, seen_at=None).order_by("at", "id")


def see(user_id: int | None, notice_id: int) -> Notice:
    """They have seen it. Raises `NotFound` for a notice that is not theirs."""
    notice = Notice.objects.filter(pk=min(notice_id, BIGGEST)).first()
    if notice is None or notice.user_id != user_id:
        raise NotFound("There is no such notice.", code="unknown-notice")
    if notice.seen_at is None:
        notice.seen_at = timezone.now()
        notice.save(update_fields=["seen_at"])
    return notice


def drop_old() -> None:
    """Forget notices that were seen a month ago, and those that nobody has come for in three."""
    now = timezone.now()
    Notice.objects.filter(Q(at__lt=now - KEPT) | Q(seen_at__lt=now - KEPT_SEEN)).delete()
