"""Where sessions are kept: Django's rows, and beside the data whose they are, from where, and when last seen."""

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends import db
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.actors import address_of
from accounts.models import Session, User

# What a session says of its own beginning; it stays when the key changes.
BEGAN = "began"
SEEN_EVERY = timedelta(minutes=1)


class SessionStore(db.SessionStore):
    """Named by SESSION_ENGINE. Of two requests at the same moment neither undoes what the other one wrote: a page that
    notes which board it shows would else take the challenge away that a passkey is just answering."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._before: dict[str, Any] = {}  # what was last read or written

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        row: Session | None = self._get_session_from_db()  # type: ignore[attr-defined]
        if row is None:
            return {}
        note_seen(row)
        data = self.decode(row.session_data)
        self._before = deepcopy(data)
        return data

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def save(self, must_create: bool = False) -> None:
        """Write what has changed since it was read. Raises as Django's; blocks while another request writes."""
        if must_create or self.session_key is None:
            super().save(must_create)
        else:
            with transaction.atomic():
                row = Session.objects.select_for_update().filter(pk=self.session_key).first()
                ours = self._get_session()  # type: ignore[attr-defined]
                if row is not None:
                    self._session_cache = merged(self._before, ours, self.decode(row.session_data))
                super().save()
        self._before = deepcopy(self._session_cache)

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return describe(super().create_model_instance(data), data)


def merged(before: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """`theirs` with what `ours` has changed since `before`, and without what it has taken out. Pure."""
    kept = {name: value for name, value in theirs.items() if name in ours or name not in before}
    return kept | {name: value for name, value in ours.items() if name not in before or before[name] != value}


def describe(row: Any, data: dict[str, Any]) -> Any:
    """Fill in what stands beside the data. Nothing that is written into a session makes it last longer than a session
    does from its sign-in on."""
    began = data.get(BEGAN, {})
    row.user_id = int(data["_auth_user_id"]) if "_auth_user_id" in data else None
    row.means, row.address, row.agent = (began.get(name, "") for name in ("means", "address", "agent"))
    row.began_at = datetime.fromisoformat(began["at"]) if "at" in began else None
    if row.began_at is not None:
        row.expire_date = min(row.expire_date, row.began_at + timedelta(seconds=settings.SESSION_COOKIE_AGE))
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
