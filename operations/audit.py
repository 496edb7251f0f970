"""The audit log: who did what, in a chain that shows tampering.

Each entry's `text` (canonical JSON) is signed together with the signature before it, with a key that lives in the
data directory and not in the database. The head row and the file `DATA/audit.head` make a cut at the end visible.
"""

import contextlib
import fcntl
import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from operations.models import AuditEntry, AuditHead
from operations.rights import held_words
from operations.roles import Actor

GENESIS = "0" * 64
HEAD_FILE_BYTES = 64 * 1024
COLUMNS = ("actor", "source", "address", "action", "target", "outcome", "code", "reason")


def record(
    action: str,
    *,
    actor: Actor,
    target: str,
    outcome: str = "done",
    code: str = "",
    reason: str = "",
    operation_id: UUID | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    detail: dict[str, Any] | None = None,
) -> int:
    """Append one entry and return its number. Call it last inside the act's own `transaction.atomic`: it takes the
    head row's lock until the commit, and act and entry then stand or fall together. `before` and `after` are the
    fields that the act changed; they stand in the entry's detail. Raises RuntimeError outside a transaction, TypeError
    for a before or after that is no fields, and which nobody would be shown. Blocks while another transaction holds
    the head.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("audit.record needs the transaction of the act that it records")
    shown = {
        "actor": actor.name,
        "source": actor.source,
        "address": actor.address,
        "action": action,
        "target": target,
        "outcome": outcome,
        "code": code,
        "reason": reason,
    }
    changed = {name: fields for name, fields in (("before", before), ("after", after)) if fields is not None}
    said = {**(detail or {}), **changed}
    if not all(isinstance(said.get(name), dict | None) for name in ("before", "after")):
        raise TypeError(f"before and after of {action} have to be fields")
    more = {**_standing(actor), "operation": str(operation_id) if operation_id else None, "detail": said}
    return _append(shown, more, operation_id)


def _standing(actor: Actor) -> dict[str, Any]:
    """Who somebody was at that moment: by what they were known, and what they were allowed."""
    standing = {"actor_user_id": actor.user_id, "role": actor.role, "credential": actor.credential}
    if actor.token:
        standing["token"] = actor.token
    if actor.grants:  # beside the role everywhere
        standing["rights"] = held_words([grant for grant in actor.grants if grant.runs(timezone.now())])
    return standing


def _append(shown: dict[str, str], more: dict[str, Any], operation_id: UUID | None) -> int:
    """Number, sign and write an entry whose columns are `shown`; `more` stands in the signed text only."""
    seq, previous = _next_number()
    at = timezone.now()
    text = canonical({**shown, **more, "seq": seq, "at": at.isoformat()})
    mac = sign(previous or GENESIS, text)
    AuditEntry.objects.create(seq=seq, at=at, operation_id=operation_id, text=text, mac=mac, **shown)
    AuditHead.objects.filter(pk=1).update(mac=mac)
    # Robust: what is committed is done, even if the disk is too full by now to remember the head a second time.
    transaction.on_commit(lambda: append_head(seq, mac), robust=True)
    return seq


def _next_number() -> tuple[int, str]:
    """Take the next number, and with it the head row's lock, in one statement; also the signature before it."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE operations_audithead SET seq = seq + 1 WHERE id = 1 RETURNING seq, mac")
        seq, previous = cursor.fetchone()
    return seq, previous


def canonical(value: dict[str, Any]) -> str:
    """JSON with sorted keys and no spare white space: the bytes that are signed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def signed(text: str) -> dict[str, Any]:
    """What an entry's text says, `detail` being one of its fields; nothing where somebody put something else in its
    place. A walk along the chain names such an entry; the others are still to be read."""
    try:
        said = json.loads(text)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    return said | {"detail": said["detail"] if isinstance(said.get("detail"), dict) else {}}


def sign(previous: str, text: str) -> str:
    """HMAC-SHA256 over the signature before and the entry's text, in hex."""
    return hmac.digest(settings.AUDIT_KEY.encode(), f"{previous}\n{text}".encode(), "sha256").hex()


def head_file() -> Path:
    return Path(settings.DATA_DIR) / "audit.head"


def append_head(seq: int, mac: str) -> None:
    """Append the head to DATA/audit.head; kept short by rewriting it when it passes 64 KiB."""
    path = head_file()
    with open(path, "a+", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if stream.seek(0, os.SEEK_END) > HEAD_FILE_BYTES:
            known, forks = remembered(path)
            first = sorted(forks)[:1]
            kept = [*((fork, one[fork]) for fork in first for one in (known, forks)), *sorted(known.items())[-1:]]
            stream.truncate(0)
            stream.writelines(f"{number} {signed}\n" for number, signed in kept)
        # A line that a power failure cut short must not be taken for the beginning of ours.
        stream.write(f"\n{seq} {mac}\n" if _is_cut_short(path) else f"{seq} {mac}\n")


def _is_cut_short(path: Path) -> bool:
    with open(path, "rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - 1))
        return stream.read(1) not in (b"", b"\n")


def remembered(path: Path) -> tuple[dict[int, str], dict[int, str]]:
    """The signature that the file knew first of each number in it; and, for numbers of which it also knows another one,
    that: somebody had put an older history in place, and it was written on."""
    known: dict[int, str] = {}
    return known, {seq: mac for seq, mac in heads(path) if known.setdefault(seq, mac) != mac}


def heads(path: Path) -> Iterator[tuple[int, str]]:
    """Heads in the file; a line cut short by a power failure is passed over."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii", errors="replace") as stream:
        for line in stream:
            seq, _, mac = line.strip().partition(" ")
            if seq.isdigit() and len(mac) == 64:
                yield int(seq), mac


def os_actor() -> Actor:
    """Who runs a management command, as the operating system knows them."""
    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return Actor(name=name, role="administrator", source="cli", credential="os-user")
