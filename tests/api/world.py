"""A portal's rows with a bit of everything in them, a switch that answers, and who calls: for tests of the whole API.

Nothing is kept of what a call does, so that each finds the same.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.test import Client, override_settings
from django.utils import timezone

from accounts import places
from accounts.actors import actor_for
from accounts.models import RightGrant, User
from accounts.services import notices, tokens
from accounts.services.tokens import Wish
from consoles.models import StageRule
from flashing.services import profiles
from hardware.switch_setup import SwitchSetup
from nanoportal import celery  # noqa: F401  makes it the current Celery app, as in the web process
from reservations.services import booking
from slots.models import SomType
from slots.services import catalogue, parts
from switch.documents import to_document
from switch.models import VlanRevision
from switch.services import drafts, running
from tests.flashing import rig as flashes
from tests.images import rig as images
from tests.switch import rig as switches

BOARD = "demo"
#: What a refused call may write: the record of the refusal, that a token was used, what was read of the switch.
RECORDS = {"operations_auditentry", "operations_audithead", "operations_refusalcount", "operations_auditwords"}
RECORDS |= {"django_session", "accounts_session", "accounts_apitoken", "switch_switchstate"}


class World:
    """The rows' ids by the name of the parameter that takes one, and the callers by name: what each sends."""

    watch: "Watch"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.board = catalogue.sync_boards()[0]
        self.board.slots.update(uart=True)
        self.switch = switches.Switch(directory)
        parts.hardware(BOARD)._switch = self.switch.chip
        self.callers: dict[str, dict[str, dict[str, str]]] = {}
        people = {name: User.objects.create_user(name, password="x", role=role) for name, role in PEOPLE.items()}
        self.alice = actor_for(people["alice"], credential="session")
        self.callers["administrator"] = session_of(people["alice"])
        self.callers["holder"] = session_of(people["carol"])  # of the reservation
        for name in ("alice", "vera"):
            wish = Wish("ci", tuple(TOKEN_SCOPES))
            row, text = tokens.make(actor_for(people[name], credential="session"), people[name], wish)
            self.callers[f"token of {name}"] = {"headers": {"Authorization": f"Bearer {text}"}}
        self.callers["nobody"] = {}
        self.ids = self._rows(people) | {"board": BOARD, "number": 3, "prefix": row.prefix, "name": "carol"}
        #: What a query or a body says in words that fit.
        self.words = {name: str(self.ids[name]) for name in ("image_id", "board")} | {
            "profile_id": None,
            "som_type": "CM4",
            "role": "operator",
            "scope": f"{BOARD}/slot:3",
            "members": ["carol"],
            "reset_type": "On",
            "action": "flash",
            "method": "file",
            "medium": "file",
            "typed": BOARD,
            "slot": 3,
            "slots": [3],
            "until": None,
            "expires_at": None,
            "starts_at": None,
            "baud": 115200,
            "read": "viewer",
            "write": "operator",
            "machine": "",
            "scopes": ["read"],
            "resources": ["*"],
            "addresses": [],
        }
        self.words |= {name: value for name, value in THIRD_PARTY.items() if name != "name"} | {
            "press_seconds": 0,
            "force_off_seconds": None,
            "latches_after_hold": False,
            "graceful": False,
            "boot_rom": "",
            "flash_path": "network",
        }

    def _rows(self, people: dict[str, User]) -> dict[str, Any]:
        alice = actor_for(people["alice"])
        group = Group.objects.create(name="carol")  # as a person is: one name finds both
        group.user_set.add(people["carol"])
        grant = RightGrant.objects.create(
            user=people["carol"], role="operator", scope=f"{BOARD}/slot:3", given_by="alice", given_at=timezone.now()
        )
        running.keep_scan(self.board, self.switch.set_up(switches.HOME))
        document = to_document(SwitchSetup(switches.HOME), running.wiring(self.board))
        VlanRevision.objects.create(
            board=self.board, number=3, document=document, author="alice", confirmed_at=timezone.now()
        )
        drafts.save(self.board, switches.LAB, alice)
        image = images.kept_image(images.xz_image(4), alice)
        upload = images.uploads.begin(images.uploads.Wish("other.img", 4096), alice)
        profile = profiles.create(profiles.Wish(name="lab", hostname_template="{board}-{slot}"), alice)
        SomType.objects.create(**THIRD_PARTY)
        run = flashes.request(image, alice, 2)
        place = places.find(BOARD, 4)
        reservation = booking.reserve(place, booking.Wish("swap SSD", 3600), actor_for(people["carol"]))
        notices.tell(people["alice"].pk, "For alice alone.")
        notice = notices.unseen(people["alice"].pk)[0]
        return {
            "right": grant.pk,
            "image_id": image.pk,
            "upload_id": upload.pk,
            "profile_id": profile.pk,
            "reservation_id": reservation.pk,
            "operation_id": flashes.job(run).operation_id,
            "job_id": flashes.job(run).operation_id,
            "run_id": run.pk,
            "rule": StageRule.objects.values_list("pk", flat=True)[0],
            "seq": 1,
            "notice_id": notice.pk,
        }


PEOPLE = {"alice": "administrator", "carol": "operator", "vera": "viewer"}
TOKEN_SCOPES = ("read", "power", "console", "flash", "switch", "reserve")


#: A SOM type that people may change.
THIRD_PARTY = {"name": "third-party", "line_kind": "level", "pulse_seconds": 0.5, "source": "A data sheet."}
THIRD_PARTY |= {"idle_watts": 1, "full_watts": 2, "peak_watts": 3}


def session_of(person: User) -> dict[str, dict[str, str]]:
    """A browser in which somebody has just signed in."""
    client = Client()
    client.force_login(person)
    token = "t" * 32
    cookies = {"csrftoken": token, "sessionid": client.cookies["sessionid"].value}
    return {"cookies": cookies, "headers": {"X-CSRFToken": token}}


@contextmanager
def world(directory: Path, blocker: Any) -> Iterator[World]:
    """A portal of its own for as long as the block lasts; nothing of it stays."""
    for name in ("boards", "import"):
        (directory / name).mkdir()
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    lines += ["[switch]", 'bus = "sim:/nowhere/i2c.sock"', "[slots.2]"]
    lines.append(f'storage = "{flashes.make_storage(directory, 2)}"')
    (directory / "boards" / f"{BOARD}.toml").write_text("\n".join(lines))
    settings = {"DATA_DIR": directory, "BOARDS_DIR": directory / "boards", "IMPORT_DIR": directory / "import"}
    settings |= {"IMAGE_QUOTA_BYTES": 1 << 30, "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}
    with ExitStack() as stack:
        stack.enter_context(override_settings(**settings))
        stack.enter_context(blocker.unblock())
        for signal in (request_started, request_finished):  # as Django's own client does: the transaction goes on
            signal.disconnect(close_old_connections)
            stack.callback(signal.connect, close_old_connections)
        stack.enter_context(transaction.atomic())
        stack.callback(transaction.set_rollback, True)
        parts.forget()
        stack.callback(parts.forget)
        made = World(directory)
        made.watch = Watch()
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(running, "CLOCK", made.switch.clock)
        yield made


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written in the block is not."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Watch:
    """Which tables were written to, and whether anything is in them now that was not before."""

    def __init__(self) -> None:
        self.tables = sorted(model._meta.db_table for model in apps.get_models(include_auto_created=True))
        self.before = {table: digest(table) for table in self.tables}
        self.written: set[str] = set()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            self.written |= {table for table in self.tables if f'"{table}"' in sql}
        return execute(sql, params, many, context)

    def changed(self) -> set[str]:
        """The tables that hold something else than at the beginning; only those that were written to are read."""
        return {table for table in self.written if digest(table) != self.before[table]}


def digest(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')  # the tables are ours
        rows = sorted(map(repr, cursor.fetchall()))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
