"""Where sessions are kept: Django's rows, and beside the data whose they are, from where, and when last seen."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.backends import db
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.actors import address_of
from accounts.models import Session, User

# What a session says of its own beginning; it stays when the key changes.
BEGAN = "began"
SEEN_EVERY = timedelta(minutes=1)


class SessionStore(db.SessionStore):
    """Named by SESSION_ENGINE."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        row: Session | None = self._get_session_from_db()  # type: ignore[attr-defined]
        if row is None:
            return {}
        note_seen(row)
        return self.decode(row.session_data)

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return describe(super().create_model_instance(data), data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        return describe(await super().acreate_model_instance(data), data)


def describe(row: Any, data: dict[str, Any]) -> Any:
    """Fill in what stands beside the data."""
    began = data.get(BEGAN, {})
    row.user_id = int(data["_auth_user_id"]) if "_auth_user_id" in data else None
    row.means, row.address, row.agent = (began.get(name, "") for name in ("means", "address", "agent"))
    row.began_at = datetime.fromisoformat(began["at"]) if "at" in began else None
    row.seen_at = timezone.now()
    return row


def note_seen(row: Session) -> None:
    """Write down that the session is in use, once a minute."""
    now = timezone.now()
    if row.seen_at is None or abs(now - row.seen_at) > SEEN_EVERY:
        long_ago = Q(seen_at=None) | Q(seen_at__lt=now - SEEN_EVERY) | Q(seen_at__gt=now + SEEN_EVERY)
        Session.objects.filter(long_ago, pk=row.pk).update(seen_at=now)


def note_beginning(sender: Any, request: HttpRequest, user: User, **more: Any) -> None:
    """Receiver of Django's `user_logged_in`: say in the session itself where and when it began."""
    request.session[BEGAN] = {
        "at": timezone.now().isoformat(),
        "means": getattr(request, "sign_in_means", "password"),
        "address": address_of(request)[:64],
        "agent": str(request.META.get("HTTP_USER_AGENT") or "")[:200],
    }
