"""ETag and If-Match: whoever edits may say what they have read, and is refused if it is something else by now."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet

from operations.refusals import Outdated


def etag(shown: Any) -> str:
    """The ETag of a resource that is shown like that: the same as long as nothing of it changes."""
    text = json.dumps(shown, sort_keys=True, cls=DjangoJSONEncoder)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


@contextlib.contextmanager
def unchanged(if_match: str, lock: QuerySet[Any], shown: Callable[[], Any]) -> Iterator[None]:
    """A transaction for an edit. Raises Outdated, before anything is done, unless one of the ETags in `if_match` is
    that of `shown()`; "" and "*" stand for whatever there is. `lock` is the row that the edit itself locks first:
    nobody else edits between the look and the edit."""
    with transaction.atomic():
        if if_match.strip() not in ("", "*"):
            lock.select_for_update().first()
            if etag(shown()) not in [tag.strip().removeprefix("W/") for tag in if_match.split(",")]:
                raise Outdated("It is not what you have read any more: read it again, and change it then.")
        yield
