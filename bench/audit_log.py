"""One step of the audit benchmark in a process of its own: `python -m bench.audit_log STEP ENTRIES`, with the data
directory in NANOPORTAL_DATA. Prints what it measured as one line of JSON."""

import json
import os
import random
import resource
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nanoportal.settings")
BATCH = 5000
PEOPLE, BOARDS, SLOTS = 40, 10, 7
ACTS = ("power.reset", "console.attached", "console.detached", "sign-in", "flash.write", "switch.commit")
FROM = datetime(2024, 1, 1, tzinfo=UTC)
ROUNDS = 12  # each of them asks for every page once


def words(chance: random.Random) -> list[str]:
    return ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(4, 9))) for _ in range(3000)]


def said(count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Two years of a lab: columns and the rest of each entry's text. One person in a hundred entries is rare."""
    chance = random.Random(1)
    known = words(chance)
    for _ in range(count):
        slot = chance.randint(1, SLOTS)
        shown = {
            "actor": f"person{chance.randint(1, PEOPLE)}" if chance.random() < 0.99 else "rare",
            "source": "web",
            "address": f"10.0.{chance.randint(0, 9)}.{chance.randint(1, 250)}",
            "action": chance.choice(ACTS),
            "target": f"b{chance.randint(1, BOARDS)}/slot:{slot}",
            "outcome": chance.choices(("done", "requested", "refused"), (10, 8, 1))[0],
            "code": "",
            "reason": " ".join(chance.choices(known, k=3)),
        }
        operation = uuid.UUID(int=chance.getrandbits(128)) if chance.random() < 0.5 else None
        detail = {"title": f"Force off slot {slot}", "message": " ".join(chance.choices(known, k=12))}
        more = {"actor_user_id": 3, "role": "operator", "credential": "session", "detail": detail}
        yield shown, {**more, "operation": str(operation) if operation else None}


def fill(count: int) -> dict[str, float]:
    """A chain of `count` entries, signed as the portal signs them."""
    from django.core.management import call_command
    from django.db import connection, transaction

    from operations import audit
    from operations.models import AuditEntry, AuditHead

    call_command("migrate", verbosity=0, interactive=False)
    began, mac, waiting = time.perf_counter(), audit.GENESIS, []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    for seq, (shown, more) in enumerate(said(count), start=1):
        at = FROM + timedelta(seconds=60 * seq)
        text = audit.canonical({**shown, **more, "seq": seq, "at": at.isoformat()})
        mac = audit.sign(mac, text)
        waiting.append(AuditEntry(seq=seq, at=at, operation_id=more["operation"], text=text, mac=mac, **shown))
        if len(waiting) == BATCH or seq == count:
            with transaction.atomic():
                AuditEntry.objects.bulk_create(waiting)
                AuditHead.objects.filter(pk=1).update(seq=seq, mac=mac)
            waiting = []
    audit.append_head(count, mac)
    return {"seconds": time.perf_counter() - began, "bytes": database().stat().st_size}


def database() -> Path:
    from django.conf import settings

    return Path(settings.DATABASES["default"]["NAME"])


def verify(count: int) -> dict[str, float]:
    """The whole walk, and beside it the least that any walk does: read each entry's text and sign it."""
    from operations import audit, verifying

    before = peak_mib()
    began = time.perf_counter()
    verdict = verifying.verify()
    seconds = time.perf_counter() - began
    if verdict != verifying.Verdict(count):
        raise SystemExit(f"the log that was made is not whole: {verdict}")
    peak = peak_mib()
    began, mac = time.perf_counter(), audit.GENESIS
    for (text,) in sqlite3.connect(database()).execute("SELECT text FROM operations_auditentry ORDER BY seq"):
        mac = audit.sign(mac, text)
    return {"seconds": seconds, "signing": time.perf_counter() - began, "peak": peak, "before": before}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pages(count: int) -> list[str]:
    """What people ask for: the log, one page far down, each filter, words that are rare and words that are not."""
    known = words(random.Random(1))
    day = f"{FROM + timedelta(days=5):%Y-%m-%d}"
    return [
        "",
        f"before={count // 2}",
        "actor=person7",
        "actor=rare",
        "outcome=refused",
        "outcome=done",
        "action=sign-in",
        "target=b3",
        "target=board-with-nothing",
        "target=b3/slot:4",
        f"from={day}&to={day}",
        "actor=person7&outcome=refused",
        f"text={known[17]}",
        f"text={known[18]}+{known[19]}",
        "text=10.0.3.77",
        "text=b3/slot:4",
        "text=nowhere-to-be-found",
    ]


def listing(count: int) -> dict[str, list[float]]:
    """Milliseconds of whole pages, and of the same words found by LIKE."""
    from django.db import connection
    from django.test import Client

    from accounts.models import User

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_user("alice", role="administrator"))
    asked, milliseconds, like = pages(count), [], []
    for _ in range(ROUNDS):
        for query in asked:
            began = time.perf_counter()
            answer = client.get(f"/audit/?{query}")
            milliseconds.append(1000 * (time.perf_counter() - began))
            if answer.status_code != 200:
                raise SystemExit(f"/audit/?{query} answered {answer.status_code}")
    for query in asked:
        if query.startswith("text="):
            pattern = f"%{query.removeprefix('text=').replace('+', '%')}%"
            began = time.perf_counter()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT * FROM operations_auditentry WHERE text LIKE %s ORDER BY seq DESC LIMIT 51", [pattern]
                )
                cursor.fetchall()
            like.append(1000 * (time.perf_counter() - began))
    return {"pages": milliseconds, "like": like, "of": [len(asked)]}


def export(count: int) -> dict[str, float]:
    """Everything as JSON lines to nowhere."""
    from operations import exporting
    from operations.models import AuditEntry

    began = time.perf_counter()
    size = sum(len(piece) for piece in exporting.pieces(AuditEntry.objects.all(), "jsonl"))
    return {"seconds": time.perf_counter() - began, "bytes": size, "peak": peak_mib()}


def retain(count: int) -> dict[str, list[float]]:
    """How long nobody else can record an act while one round of retention takes its entries out."""
    from django.conf import settings

    from operations import audit, retention, verifying

    verifying.verify = lambda: verifying.Verdict(0)  # measured by itself
    held, remove = [], retention._remove

    def timed(*about: Any) -> None:
        began = time.perf_counter()
        remove(*about)
        held.append(time.perf_counter() - began)

    retention._remove = timed
    rounds = retention.retain(FROM + timedelta(seconds=60 * 5 * retention.ROUND), settings.DATA_DIR, audit.os_actor())
    return {"held": [held[-1] for _ in rounds]}


if __name__ == "__main__":
    django.setup()
    step, entries = sys.argv[1], int(sys.argv[2])
    steps = {"fill": fill, "verify": verify, "listing": listing, "export": export, "retain": retain}
    print(json.dumps(steps[step](entries)))
