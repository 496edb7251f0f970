"""What each operation is asked for the examples of the description: on the test scene, by an administrator's session.

An operation that is not here is called with nothing but its address.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from accounts.services import sessions
from consoles.models import StageRule
from flashing.models import FlashJob
from flashing.services.boot_mode import HOLD_BOOT
from images import tus
from images.models import FirmwareImage
from images.services import library
from operations import audit
from operations.models import AuditHead, Claim, Operation
from slots.models import Slot
from switch.documents import to_document
from switch.models import VlanChange, VlanRevision
from switch.services import changes, files, running
from tests.api.world import BOARD, THIRD_PARTY, World
from tests.flashing import rig as flashes
from tests.images import rig as images
from tests.switch import rig as switches

SLOT = f"{BOARD}/slot:3"
UPLOAD = {"Tus-Resumable": tus.VERSION}


@dataclass(frozen=True)
class Asked:
    """One call. `body` and what stands in `path` may ask the scene; `path` has the parameters that are not the scene's
    own. `before` are operations that are called first and what is set in the rows, all in the same transaction."""

    body: Any = None
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    path: dict[str, Any] = field(default_factory=dict)
    before: tuple[str | Callable[[World], object], ...] = ()
    who: str = "administrator"
    refused: str = ""  # the code, where nothing less than a real board would do it
    answer: Any = None  # by hand, where it takes a machine or a console that has run for a while


def _says(**body: Any) -> Asked:
    return Asked(body)


def _own_session(portal: World) -> str:
    return sessions.sessions_of(User.objects.get(username="alice"), None)[0].id


def _own_rule(portal: World) -> int:
    return StageRule.objects.order_by("-pk").values_list("pk", flat=True)[0]


def _remembers_the_end(portal: World) -> None:
    """As after a commit, which there is none of here."""
    head = AuditHead.objects.get()
    audit.append_head(head.seq, head.mac)


def _has_latched(portal: World) -> None:
    Slot.objects.filter(board=portal.board, number=3).update(latched=True, latched_at=timezone.now())


def flash_has_failed(portal: World) -> None:
    operation = Operation.objects.get(pk=portal.ids["job_id"])
    Operation.objects.filter(pk=operation.pk).update(state="failed", code="write-failed", ended_at=timezone.now())
    Claim.objects.filter(operation=operation).delete()


def _flash_waits_for_hands(portal: World) -> None:
    Operation.objects.filter(pk=portal.ids["job_id"]).update(state="running", started_at=timezone.now())
    FlashJob.objects.filter(operation=portal.ids["job_id"]).update(phase="boot-mode", hands_step=HOLD_BOOT)


def _waits_for_confirmation(portal: World) -> None:
    now = timezone.now()
    change = VlanChange.objects.latest("pk")
    Operation.objects.filter(pk=change.operation_id).update(state="running", started_at=now)
    VlanChange.objects.filter(pk=change.pk).update(
        state=VlanChange.State.AWAITING, applied_at=now, deadline_at=now + timedelta(minutes=2)
    )


def _could_not_be_rolled_back(portal: World) -> None:
    change = VlanChange.objects.latest("pk")
    Operation.objects.filter(pk=change.operation_id).update(state="failed", ended_at=timezone.now())
    VlanChange.objects.filter(pk=change.pk).update(state=VlanChange.State.ROLLBACK_FAILED)


def _something_else_was_confirmed(portal: World) -> None:
    document = to_document(switches.SwitchSetup(switches.LAB), running.wiring(portal.board))
    VlanRevision.objects.update(document=document)


def _lies_there(portal: World) -> None:
    (portal.directory / "import" / "pi.img").write_bytes(b"\0" * 4096)


def _commit(portal: World) -> dict[str, Any]:
    shown = changes.preview(portal.board, portal.alice)
    return {"fingerprint": shown.plan.fingerprint, "revert_after_seconds": 120, "reason": "slot 3 into the lab"}


def _another_retired_image(portal: World) -> None:
    library.retire(images.kept_image(images.xz_image(5), portal.alice), portal.alice)


def _last_image(portal: World) -> UUID:
    return UUID(str(FirmwareImage.objects.order_by("-added_at").values_list("pk", flat=True)[0]))


def _own_block_map(portal: World) -> bytes:
    return library.block_map(library.find(portal.ids["image_id"])).to_bmap()


def _flash(portal: World) -> dict[str, Any]:
    aim = {"method": "file", "medium": "file", "typed": flashes.name(2)}
    return {"image_id": str(portal.ids["image_id"]), **aim, "reason": "new term"}


def _flash_several(portal: World) -> dict[str, Any]:
    one = _flash(portal)
    shared = {name: one.pop(name) for name in ("image_id", "reason")}
    return shared | {"targets": [{"slot": 2, **one}]}


def _later(portal: World) -> dict[str, str]:
    return {"ends_at": (timezone.now() + timedelta(hours=4)).isoformat(timespec="seconds")}


_LIST = Asked(query="limit=2")
_SOM = {"som_type": "CM5", "name": "kestrel", "memory_gb": 8, "emmc_gb": 32}
_PROFILE = {"name": "class of 2026", "hostname_template": "{board}-{slot}", "timezone": "Europe/Berlin"}
_RIGHT = {"role": "operator", "scope": SLOT, "until": "2035-01-01T18:00:00Z"}
_RULE = {"som_type": "CM5", "stage": "login", "match": "contains", "text": "kestrel login:"}
_ENDED = ("commit_vlans", _could_not_be_rolled_back)
_AWAITING = ("commit_vlans", _waits_for_confirmation)
_CHANGE = {"number": 1}
_HOST = "root@127.0.0.1:1"  # where nobody listens; the examples say another
_PRINT = "SHA256:0NFJyTzTIYwiXGuQH9cBzVCAc3wqpSkxiC0BZJqLbnY"
_KEY = {
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGd1bGwtdHdpZy1rZXN0cmVsLWhlcm9uLXdyZW4= nanoportal",
    "address": _HOST,
    "kind": "ssh-ed25519",
    "fingerprint": _PRINT,
    "accepted": "",
    "state": "new",
    "elsewhere": "",
}
_DISK = {
    "place": f"{_HOST}:/dev/mmcblk0",
    "identity": {
        "place": f"{_HOST}:/dev/mmcblk0",
        "size_bytes": 31268536320,
        "model": "BJTD4R",
        "serial": "0x1f2e3d4c",
    },
    "uses": [],
}
_CONSOLE = {
    "slot": 3,
    "baud": 115200,
    "state": "open",
    "problem": "",
    "since": "2026-11-23T09:12:40Z",
    "stage": {"stage": "login", "words": "Login prompt", "at": "2026-11-23T09:14:02Z", "boot_seconds": 21.4},
    "typist": "alice",
    "watching": ["alice", "vera"],
    "may_type": True,
    "recording": {"enabled": True, "quota_mib": 64, "retention_days": 30, "state": "on", "problem": ""},
}
_TIMELINE = {
    "segments": [{"start": "2026-11-23T09:12:40Z", "end": "2026-11-23T09:41:07Z", "bytes": 48213, "cursor": "0.0"}],
    "markers": [{"kind": "stage", "at": "2026-11-23T09:14:02Z", "words": "Login prompt", "detail": {"stage": "login"}}],
}
_RECORDS = {"records": [{"t": 1795425242.317, "d": "a2VzdHJlbCBsb2dpbjog"}], "next": None}
_HIT = {
    "slot": 3,
    "at": "2026-11-23T09:14:02Z",
    "line": "kestrel login: ",
    "before": "Debian GNU/Linux 13 kestrel",
    "after": "",
}

ASKED: dict[str, Asked] = {
    # boards
    "reset_slot": Asked({"reset_type": "On", "reason": "nightly build"}, before=("mark_off",)),
    "power_several": Asked({"verb": "start", "slots": [3], "reason": "class begins"}, before=("mark_off",)),
    "mark_off": _says(reason="The LED is dark."),
    "clear_latch": Asked({"reason": "The board was unplugged."}, before=(_has_latched,)),
    "get_history": Asked(query="limit=2", before=("mark_off",)),
    "reset_switch": _says(typed=BOARD, reason="The switch does not answer."),
    "restart_controller": Asked({"typed": BOARD, "reason": "After an update."}, refused="reset-type-unsupported"),
    "put_settings": _says(name="Lab bench", supply="usb-c-60", notes="Second shelf."),
    "get_som": Asked(before=("put_som",)),
    "put_som": Asked(_SOM),
    "delete_som": Asked(before=("put_som",)),
    "list_som_types": _LIST,
    "put_som_type": Asked(
        {name: value for name, value in THIRD_PARTY.items() if name != "name"}, path={"name": THIRD_PARTY["name"]}
    ),
    "get_som_type": Asked(path={"name": "CM5"}),
    # people
    "make_token": _says(
        name="nightly",
        scopes=["read", "power"],
        resources=[SLOT],
        addresses=["10.0.0.0/24"],
        expires_at="2035-01-01T00:00:00Z",
    ),
    "list_people": _LIST,
    "change_person": _says(role="viewer", is_active=True),
    "add_machine": _says(name="ci-runner"),
    "ask_what_somebody_may": Asked(query=f"action=flash&scope={SLOT}"),
    "list_sessions": Asked(path={"name": "alice"}),
    "end_sessions": Asked(path={"name": "alice"}),
    "end_session": Asked(path={"name": "alice", "session": _own_session}),
    "give_right": Asked(_RIGHT),
    "give_group_right": Asked(_RIGHT),
    "put_group": _says(members=["carol", "vera"]),
    "rename_group": _says(name="class of 2026"),
    # reservations
    "reserve_slot": _says(purpose="swap SSD", seconds=7200),
    "own_reservations": Asked(who="holder"),
    "change_reservation": Asked(_later, who="holder"),
    "release_reservation": Asked(who="holder"),
    "break_reservation": _says(reason="The fan is on fire."),
    # consoles
    "list_consoles": Asked(answer={"count": 1, "consoles": [_CONSOLE]}),
    "get_console": Asked(answer=_CONSOLE),
    "get_recording": Asked(answer=_TIMELINE),
    "get_records": Asked(answer=_RECORDS),
    "search_recordings": Asked(query="q=login", answer={"hits": [_HIT], "older": None, "reached": None}),
    "download_recording": Asked(answer="Debian GNU/Linux 13 kestrel ttyS0\n\nkestrel login: "),
    "put_console_settings": _says(
        baud=115200, recording=True, quota_mib=64, retention_days=30, read="viewer", write="operator"
    ),
    "list_stage_rules": _LIST,
    "add_stage_rule": Asked(_RULE),
    "put_stage_rule": Asked({**_RULE, "enabled": False}, path={"rule": _own_rule}, before=("add_stage_rule",)),
    "delete_stage_rule": Asked(path={"rule": _own_rule}, before=("add_stage_rule",)),
    # audit
    "list_entries": Asked(query="action=som.record", before=("put_som",)),
    "verify": Asked({"cursor": ""}, before=(_remembers_the_end,)),
    "export": Asked(query="action=som.record&format=jsonl", before=("put_som",)),
    # images
    "edit_image": _says(name="Debian 13", notes="For the class.", som_types=["CM4", "CM5"]),
    "import_image": Asked({"path": "pi.img"}, before=(_lies_there,)),
    "bring_back_image": Asked(before=("retire_image",)),
    "delete_image": Asked(path={"image_id": _last_image}, before=(_another_retired_image,)),
    "create_upload": Asked(headers={**UPLOAD, "Upload-Length": "4096", "Upload-Metadata": "filename cGkuaW1n"}),
    "append_chunk": Asked(b"x" * 16, headers={**UPLOAD, "Upload-Offset": "0"}),
    "give_block_map": Asked(_own_block_map),
    "terminate_upload": Asked(headers=UPLOAD),
    # flashing
    "flash_slot": Asked(_flash, path={"number": 2}, before=(flash_has_failed,)),
    "flash_several": Asked(_flash_several, before=(flash_has_failed,)),
    "list_runs": Asked(query=f"board={BOARD}"),
    "say_holding": Asked(before=(_flash_waits_for_hands,)),
    "retry_job": Asked(lambda portal: {"typed": flashes.name(2)}, before=(flash_has_failed,)),
    "get_host": Asked(query=f"host={_HOST}", answer=_KEY, refused="remote-unavailable"),
    "trust_host": Asked(
        {"host": _HOST, "fingerprint": _PRINT},
        answer=_KEY | {"accepted": _PRINT, "state": "accepted"},
        refused="remote-unavailable",
    ),
    "list_disks": Asked(query=f"host={_HOST}", answer={"count": 1, "disks": [_DISK]}, refused="host-key-unknown"),
    "create_profile": Asked(_PROFILE),
    "edit_profile": Asked(_PROFILE),
    # switch
    "put_vlans": Asked(lambda portal: files.begun(portal.board)),
    "put_yaml": Asked(lambda portal: files.export_yaml(portal.board).encode()),
    "commit_vlans": Asked(_commit),
    "confirm_change": Asked(before=_AWAITING),
    "extend_change": Asked({"seconds": 120}, before=_AWAITING),
    "roll_back_change": Asked(before=_AWAITING),
    "get_change": Asked(path=_CHANGE, before=_AWAITING),
    "acknowledge_change": Asked(path=_CHANGE, before=_ENDED),
    "put_recovery": _says(restores_by_itself=True),
    "restore_last": Asked({"reason": "after a power cut"}, before=(_something_else_was_confirmed,)),
}
