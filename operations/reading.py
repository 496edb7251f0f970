"""Audit entries as people read them: what was done in words, and what else the signed text says."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse

from operations import audit
from operations.models import OPEN_STATES, AuditEntry, Operation
from operations.rights import board_of, slot_of
from operations.roles import Actor, may

ACTS = {
    "token.create": "API token made",
    "token.revoke": "API token revoked",
    "token.use": "Use of an API token",
    "machine.add": "Machine added",
    "power.reset": "Power command",
    "switch.reset": "Reset of the switch chip",
    "switch.draft": "Draft of the VLANs changed",
    "switch.draft-discard": "Draft of the VLANs thrown away",
    "switch.edit": "Change of the switch's draft",
    "switch.commit": "VLANs committed",
    "switch.vlan": "VLANs changed",
    "switch.confirm": "VLANs confirmed",
    "switch.extend": "More time to confirm VLANs",
    "switch.roll-back": "VLANs rolled back",
    "switch.restore": "VLANs restored",
    "switch.restores-by-itself": "Restoring VLANs by itself changed",
    "switch.was-reset": "Reset of the switch chip noticed",
    "switch.scan": "Scan of the VLAN table",
    "switch.acknowledge": "Failed roll-back seen",
    "controller.restart": "Restart of the controller",
    "operation.cancel": "Cancel",
    "slot.mark-off": "Marked as off",
    "slot.clear-latch": "Latch cleared",
    "som.record": "SOM recorded",
    "som.remove": "Slot recorded as empty",
    "som-type.record": "SOM type recorded",
    "board.edit": "Board settings changed",
    "board.power-lost": "Loss of power noticed",
    "power.several": "Acting on several slots",
    "console.attached": "Console opened",
    "console.detached": "Console left",
    "console.taken": "Keyboard taken",
    "console.taken-over": "Keyboard taken over",
    "console.released": "Keyboard given back",
    "console.withdrawn": "Keyboard withdrawn",
    "console.break": "Break sent",
    "console.sysrq": "SysRq sent",
    "console.restricted": "Right to a console changed",
    "console.settings": "Settings of a console changed",
    "console.searched": "Recordings searched",
    "console.downloaded": "Recording downloaded",
    "stage-rule.add": "Rule for boot stages added",
    "stage-rule.change": "Rule for boot stages changed",
    "stage-rule.remove": "Rule for boot stages removed",
    "image.upload": "Upload of an image",
    "image.import": "Import of an image",
    "image.cancel": "Upload given up",
    "image.edit": "Image described anew",
    "image.retire": "Image retired",
    "image.bring-back": "Image brought back",
    "image.delete": "Image deleted",
    "flash.request": "Flash asked for",
    "flash.write": "Flash",
    "flash.hands": "BOOT held",
    "flash.trust-host": "Host trusted",
    "profile.create": "First-boot profile made",
    "profile.edit": "First-boot profile changed",
    "profile.delete": "First-boot profile deleted",
    "reservation.make": "Slot reserved",
    "reservation.begin": "Reservation began",
    "reservation.extend": "Reservation extended",
    "reservation.end": "Reservation ended",
    "reservation.break": "Glass broken: reservation overridden",
    "people.edit": "Change of people",
    "person.invite": "Person invited",
    "person.join": "Invitation taken up",
    "person.link": "Link for a new password made",
    "person.remove": "Person removed",
    "group.add": "Group made",
    "group.rename": "Group renamed",
    "group.members": "Members of a group changed",
    "group.remove": "Group removed",
    "right.give": "Right given",
    "right.take": "Right taken away",
    "account.confirm": "Confirmed who they are",
    "account.edit": "Own account changed",
    "second-factor.on": "Codes by app switched on",
    "second-factor.off": "Codes by app switched off",
    "second-factor.recovery-codes": "Recovery codes made anew",
    "passkey.add": "Passkey added",
    "passkey.remove": "Passkey removed",
    "session.end": "Session ended",
    "session.end-all": "All other sessions ended",
    "person.add": "Person added",
    "person.password": "Password changed",
    "person.role": "Role changed",
    "person.switch-off": "Person switched off",
    "person.switch-on": "Person switched on",
    "setup": "Set-up",
    "setup.link": "Set-up link made",
    "portal.prepare": "Portal prepared for a start",
    "command.run": "Command run on the controller",
    "sign-in": "Sign-in",
    "sign-in.let-in": "Sign-in let in again",
    "sign-out": "Sign-out",
    "audit.export": "Audit log exported",
    "audit.retain": "Old audit entries moved to a file",
    "audit.verify": "Verifying the audit log",
    "events.attached": "Live connection opened",
    "socket.attached": "Live connection from elsewhere",
    "view": "Page or data asked for",
    "attempt": "Act on what may not be seen",
}
CREDENTIALS = {
    "session": "browser session",
    "token": "token",
    "os-user": "user of the operating system",
    "setup-link": "set-up link",
    "none": "none",
}
RECENT = 8


@dataclass(frozen=True)
class Change:
    """A field that an act changed."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Reading:
    """An entry with its text parsed once."""

    entry: AuditEntry
    said: dict[str, Any]
    state: str = ""  # of an operation that has not ended
    is_whole: bool = True  # whoever reads may know from where it was done, and see the signed text

    @property
    def outcome(self) -> str:
        """What became of it so far."""
        return self.state or self.entry.outcome

    @property
    def words(self) -> str:
        """What was done: an operation's title, else the act's words, else its name."""
        act = ACTS.get(self.entry.action, self.entry.action)
        title = self.detail.get("title")
        if title and self.entry.action == "operation.cancel":
            return f"{act}: {title}"
        return str(title or act)

    @property
    def place(self) -> str:
        """`demo, slot 3` for the target `demo/slot:3`; a name (`group:term 2026/27`) as it is."""
        kind, colon, name = self.entry.target.partition(":")
        return f"{kind} {name}" if colon and "/" not in kind else self.entry.target.replace("/", ", ").replace(":", " ")

    @property
    def detail(self) -> dict[str, Any]:
        return dict(self.said.get("detail") or {})

    @property
    def message(self) -> str:
        return str(self.detail.get("message") or "")

    @property
    def credential(self) -> str:
        """By what they were known, a token with its name."""
        known = str(self.said.get("credential", "unknown"))
        words = CREDENTIALS.get(known, known)
        return f"{words} {self.said['token']}" if self.said.get("token") else words

    @property
    def rights(self) -> str:
        """What they were at that moment."""
        held = [str(self.said.get("role", "")), str(self.said.get("rights", "")).removeprefix("is ")]
        return ", ".join(part for part in held if part) or "none"

    @property
    def console(self) -> tuple[str, int] | None:
        """Board and slot whose console may have recorded what happened."""
        board, slot = board_of(self.entry.target), slot_of(self.entry.target)
        return (board, slot) if slot is not None else None

    @property
    def changes(self) -> list[Change]:
        """Fields that differ between the detail's `before` and `after`, if it has both."""
        old, after = (self.detail.get(name) for name in ("before", "after"))
        if not (isinstance(old, dict) or isinstance(after, dict)):
            return []
        old, after = old or {}, after or {}
        names = [*after, *(name for name in old if name not in after)]
        return [Change(name, old.get(name), after.get(name)) for name in names if old.get(name) != after.get(name)]

    @property
    def pretty(self) -> str:
        """The signed text, indented."""
        return json.dumps(self.said, indent=2, ensure_ascii=False)


def read(entry: AuditEntry, *, is_whole: bool = True) -> Reading:
    return Reading(entry, audit.signed(entry.text), is_whole=is_whole)


def recording(actor: Actor, entry: AuditEntry) -> str | None:
    """The path of the page with what the console said at that moment, if the entry is about a console that they may
    read."""
    place = read(entry).console
    if place is None or not may(actor, "console.read", f"{place[0]}/uart:{place[1]}"):
        return None
    return f"{reverse('consoles:recordings', args=place)}?at={entry.at:%Y-%m-%dT%H:%M:%S.%fZ}"


def recent(targets: Iterable[str]) -> list[Reading]:
    """The newest acts on any of `targets`, each operation once, with its newest outcome. Two queries."""
    entries = AuditEntry.objects.filter(target__in=list(targets))[: 5 * RECENT]
    found: dict[object, AuditEntry] = {}
    for entry in entries:
        found.setdefault(entry.operation_id or entry.seq, entry)
    shown = list(found.values())[:RECENT]
    still = Operation.objects.filter(pk__in=[entry.operation_id for entry in shown], state__in=OPEN_STATES)
    states: dict[UUID | None, str] = dict(still.values_list("pk", "state"))
    return [Reading(entry, audit.signed(entry.text), states.get(entry.operation_id, "")) for entry in shown]
