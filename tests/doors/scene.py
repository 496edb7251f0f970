"""One of everything, and everybody who may come to a door: built once for the whole walk."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.access import current_version
from accounts.actors import actor_for
from accounts.models import ApiToken, Notice, Passkey, RightGrant, User
from accounts.services import invitations, sessions, tokens
from accounts.services.tokens import Wish
from consoles.models import StageRule
from flashing.models import FlashJob, FlashRun, Profile
from hardware.jl6108.numbering import ALL_PORTS
from images.models import FirmwareImage, Upload
from nanoportal import celery  # noqa: F401  makes it the current Celery app, as in the web process
from operations.models import AuditEntry, Operation, Reservation
from operations.rights import ADMINISTRATOR, FLASHER, NETWORK_ENGINEER, OPERATOR, ROLES, SCOPES, VIEWER
from operations.roles import Actor
from slots.models import Board
from switch.models import PortReading, SwitchDraft, VlanChange, VlanRevision

BOARD, SLOT, OTHER, BUSY, TAKEN = "demo", 3, 4, 6, 5
IMAGE = UUID("00000000-0000-4000-8000-000000000001")
NOBODY, STRANGER, NEIGHBOUR = "nobody", "stranger", "neighbour"
DOCUMENT = {"management_vid": 1, "vlans": [{"vid": 1, "name": "lan", "untagged": [1, 2, 3, 4, 5, 6, 7, "uplink"]}]}
CHIP = {"entries": [], "ports": {str(port): ["0", "0", "0"] for port in ALL_PORTS}}
PEOPLE = (NOBODY, STRANGER, *ROLES)
# What may be written whoever asks: that it was refused, that somebody was here. The access version is a lock, too, and
# goes back with its transaction (`rights_moved`).
TRACES = re.compile(
    r'(?i)^(?:INSERT INTO|UPDATE) "?(?:operations_(?:audit\w+|refusalcount)|accounts_(?:session|accessversion))\b'
    r'|^UPDATE "accounts_apitoken" SET "used_at"'
)
WRITES = re.compile(r"(?i)^\s*(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER)\b")


@dataclass
class Scene:
    """A portal with one of everything, on a simulated board of its own."""

    trace: Path
    data: Path
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    values: dict[str, Callable[[str], object]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    version: int = 0
    rights_moved: bool = False
    recorded: list[str] = field(default_factory=list)  # what the audit log was told, undone since

    def path(self, route: str, who: str) -> str:
        """The address with what there is put into it; of what is somebody's own, that of `who`."""

        def value(found: re.Match[str]) -> str:
            parts = route[: found.end()].split("/")
            names = ["/".join(parts[at:]) for at in range(len(parts))]  # the longest that is known counts
            names = [name + route[found.end() :] for name in names] + names
            assert set(names) & set(self.values), f"the scene has nothing to put into {route}"
            return str(self.values[next(name for name in names if name in self.values)](who))

        return re.sub(r"<\w+>", value, route)

    def ask(self, method: str, route: str, who: str, *, token: str = "", query: str = "", **sent: Any) -> HttpResponse:
        """What the portal answers to somebody, or to their token of that name; whatever it did is undone. `written` has
        the statements that changed something."""
        self.client.cookies = SimpleCookie({} if token else self.cookies.get(who, {}))
        headers = sent.pop("headers", {})
        if token:
            headers = {**headers, "Authorization": f"Bearer {self.tokens[who, token]}"}
        self.written = []
        sent = {"secure": True, "headers": headers, **sent}
        with transaction.atomic(), connection.execute_wrapper(self._note):
            answer = self.client.generic(method, self.path(route, who) + query, **sent)
            self.rights_moved = current_version() != self.version
            if answer.streaming and not answer.is_async:  # type: ignore[attr-defined]
                b"".join(answer.streaming_content)  # type: ignore[attr-defined]
            if self.written:
                self.recorded += AuditEntry.objects.order_by("-seq").values_list("text", flat=True)[:2]
            transaction.set_rollback(True)
        return answer

    def make_token(self, owner: str, name: str, scopes: tuple[str, ...] = tuple(SCOPES), **more: Any) -> ApiToken:
        """A token of somebody's; `ask` sends it by its name."""
        person = self.people[owner]
        row, text = tokens.make(actor_for(person, credential="session"), person, Wish(name, scopes, **more))
        self.tokens[owner, name] = text
        return row

    def _note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if WRITES.match(sql) and not TRACES.match(sql):
            self.written.append(sql)
        return execute(sql, params, many, context)


def build(scene: Scene, wanted: Collection[tuple[str, str]]) -> None:
    """Everybody and everything, in the database that is there; `wanted` are tokens: whose, and for which scopes."""
    _people(scene)
    scene.values |= {
        "<board>": lambda who: BOARD,
        "<number>": lambda who: SLOT,
        "<vid>": lambda who: 1,
        "<place>": lambda who: SLOT,
        "<seq>": lambda who: 1,
        "<rule>": lambda who: StageRule.objects.values_list("pk", flat=True)[0],
        "templates/<key>": lambda who: "apart",
        "all/<key>": lambda who: "slots-apart",
        "setup/<token>": lambda who: "x" * 43,
    }
    boss = actor_for(scene.people[ADMINISTRATOR], credential="session")
    _on_the_board(scene)
    _of_people(scene, boss)
    _tokens(scene)
    for owner, scopes in wanted:
        scene.make_token(owner, scopes, tuple(scopes.split()))
    scene.version = current_version()


def _people(scene: Scene) -> None:
    for who in (STRANGER, NEIGHBOUR, *ROLES):
        person = User.objects.create_user(f"a-{who}", role=who if who in ROLES else "")
        scene.people[who] = person
        scene.cookies[who] = _signed_in(person)
    User.objects.create_user("another-administrator", role=ADMINISTRATOR)
    _give(scene.people[NEIGHBOUR], ADMINISTRATOR, f"{BOARD}/slot:{OTHER}")


def _signed_in(person: User) -> dict[str, str]:
    """The cookies of a browser in which they have just signed in."""
    browser = Client()
    browser.force_login(person)
    return {name: morsel.value for name, morsel in browser.cookies.items()}


def _give(person: User | None, role: str, scope: str, group: Group | None = None) -> RightGrant:
    return RightGrant.objects.create(
        user=person, group=group, role=role, scope=scope, given_by="alice", given_at=timezone.now()
    )


def _on_the_board(scene: Scene) -> None:
    board = Board.objects.get(slug=BOARD)
    now, slot = timezone.now(), board.slots.get(number=BUSY)
    image = FirmwareImage.objects.create(
        pk=IMAGE,
        name="lite",
        file_name="lite.img",
        format="raw",
        stored_bytes=1,
        size_bytes=1,
        mapped_bytes=1,
        sha256="0" * 64,
        added_at=now,
        added_by="alice",
    )
    upload = Upload.objects.create(
        file_name="lite.img",
        size_bytes=9,
        actor="a-flasher",
        actor_user_id=scene.people[FLASHER].pk,
        created_at=now,
        touched_at=now,
        expires_at=now + timedelta(hours=1),
    )
    profile = Profile.objects.create(
        name="lab", hostname_template="node", created_at=now, created_by="alice", changed_at=now, changed_by="alice"
    )
    run = FlashRun.objects.create(
        board=BOARD,
        image=image,
        image_name="lite",
        image_sha256="0" * 64,
        size_bytes=1,
        data_bytes=1,
        actor="a-flasher",
        created_at=now,
    )
    flash = _operation(scene, "flash.write", f"{BOARD}/slot:{BUSY}", FLASHER)
    FlashJob.objects.create(
        run=run,
        operation=flash,
        slot=slot,
        number=BUSY,
        som_name="kestrel",
        method="file",
        medium="file",
        address="x",
        generation=1,
        power_before="Off",
        power_after="Off",
    )
    change = VlanChange.objects.create(
        board=board,
        number=1,
        operation=_operation(scene, "switch.vlan", f"{BOARD}/switch", NETWORK_ENGINEER),
        generation=1,
        state=VlanChange.State.AWAITING,
        document=DOCUMENT,
        before=CHIP,
        wanted=CHIP,
        fingerprint="0" * 16,
        revert_after_seconds=600,
        applied_at=now,
        deadline_at=now + timedelta(minutes=9),
    )
    VlanRevision.objects.create(board=board, number=1, document=DOCUMENT, author="alice", confirmed_at=now)
    taken = Reservation.objects.create(
        resource=f"{BOARD}/slot:{TAKEN}",
        user_id=scene.people[OPERATOR].pk,
        holder="a-operator",
        purpose="swap SSD",
        state="active",
        queued_at=now,
        wanted_seconds=7200,
        starts_at=now,
        ends_at=now + timedelta(hours=2),
    )
    SwitchDraft.objects.create(board=board, document=DOCUMENT, changed_by="alice", changed_at=now)
    PortReading.objects.create(board=board, read_at=now, ports=[], addresses_due_at=now + timedelta(hours=1))
    scene.values |= {
        "images/<image_id>": lambda who: image.pk,
        "uploads/<upload_id>": lambda who: upload.pk,
        "profiles/<profile_id>": lambda who: profile.pk,
        "flash-profiles/<profile_id>": lambda who: profile.pk,
        "<run_id>": lambda who: run.pk,
        "<job_id>": lambda who: flash.pk,
        "<operation_id>": lambda who: flash.pk,
        "changes/<number>": lambda who: change.number,
        "revisions/<number>": lambda who: 1,
        "reservations/<pk>": lambda who: taken.pk,
        "<reservation_id>": lambda who: taken.pk,
        "som-types/<name>": lambda who: "CM5",
    }


def _operation(scene: Scene, kind: str, resource: str, who: str) -> Operation:
    person, now = scene.people[who], timezone.now()
    return Operation.objects.create(
        kind=kind,
        plan={"steps": ["write"]},
        title=f"{kind} {resource}",
        board=BOARD,
        resource=resource,
        actor=person.username,
        actor_user_id=person.pk,
        actor_source="web",
        state="queued",
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )


def _of_people(scene: Scene, boss: Actor) -> None:
    now = timezone.now()
    carol, secret = invitations.invite(boss, "carol")
    runner = tokens.add_machine(boss, "runner")
    group = Group.objects.create(name="lab")
    grant = _give(carol, VIEWER, BOARD)
    _signed_in(carol)
    everybody = {**scene.people, "carol": carol}
    keys = {
        name: Passkey.objects.create(
            user=person,
            name="key",
            site="localhost",
            credential_id=name.encode(),
            public_key=b"k",
            user_handle=b"h",
            created_at=now,
        ).pk
        for name, person in everybody.items()
    }
    notices = {
        who: Notice.objects.create(user=person, at=now, text="Your turn.").pk for who, person in scene.people.items()
    }
    open_session = {who: sessions.sessions_of(person)[0].id for who, person in everybody.items()}
    scene.values |= {
        "people/<pk>": lambda who: carol.pk,
        "machines/<name>": lambda who: runner.username,
        "people/<pk>/tokens/": lambda who: runner.pk,
        "people/<name>": lambda who: carol.username,
        "groups/<pk>": lambda who: group.pk,
        "groups/<name>": lambda who: group.name,
        "rights/<pk>": lambda who: grant.pk,
        "rights/<right>": lambda who: grant.pk,
        "notices/<pk>": lambda who: notices.get(who, 0),
        "notices/<notice_id>": lambda who: notices.get(who, 0),
        "passkeys/<pk>": lambda who: keys.get(who, 0),
        "passkeys/<key>": lambda who: keys["carol"],
        "join/<secret>": lambda who: secret,
        "account/sessions/<session>": lambda who: open_session.get(who, "none"),
        "<session>": lambda who: open_session["carol"],
    }


def _tokens(scene: Scene) -> None:
    """Those that are bad, and everybody's own to revoke."""
    for owner in (ADMINISTRATOR, OPERATOR, FLASHER, NETWORK_ENGINEER):
        scene.make_token(owner, "wrong slot", resources=(f"{BOARD}/slot:{OTHER}",))
        scene.make_token(owner, "elsewhere", addresses=("192.0.2.0/24",))
        tokens.revoke(actor_for(scene.people[owner]), scene.make_token(owner, "revoked"))
        expired = scene.make_token(owner, "expired")
        ApiToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        scene.tokens[owner, "unknown"] = f"np_{'x' * 8}_{'x' * 43}"
    prefixes = {who: scene.make_token(who, "own").prefix for who in scene.people}
    scene.values |= {"tokens/<prefix>": lambda who: prefixes.get(who, prefixes[ADMINISTRATOR])}
