"""Audit entries as people read them: what was done in words, and what else the signed text says."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from operations.models import OPEN_STATES, AuditEntry, Operation

ACTS = {
    "power.reset": "Power command",
    "switch.reset": "Reset of the switch chip",
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
    "people.edit": "Change of people",
    "person.add": "Person added",
    "person.password": "Password changed",
    "person.role": "Role changed",
    "person.switch-off": "Person switched off",
    "person.switch-on": "Person switched on",
    "setup": "Set-up",
    "sign-in": "Sign-in",
    "sign-out": "Sign-out",
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
        """`demo, slot 3` for the target `demo/slot:3`."""
        return self.entry.target.replace("/", ", ").replace(":", " ")

    @property
    def detail(self) -> dict[str, Any]:
        return dict(self.said.get("detail") or {})

    @property
    def message(self) -> str:
        return str(self.detail.get("message") or "")

    @property
    def changes(self) -> list[Change]:
        """Fields that differ between the detail's `before` and `after`, if it has both."""
        before, after = self.detail.get("before"), self.detail.get("after")
        if after is None:
            return []
        old = before or {}
        return [Change(name, old.get(name), after[name]) for name in after if old.get(name) != after[name]]

    @property
    def pretty(self) -> str:
        """The signed text, indented."""
        return json.dumps(self.said, indent=2, ensure_ascii=False)


def read(entry: AuditEntry) -> Reading:
    return Reading(entry, json.loads(entry.text))


def recent(targets: Iterable[str]) -> list[Reading]:
    """The newest acts on any of `targets`, each operation once, with its newest outcome. Two queries."""
    entries = AuditEntry.objects.filter(target__in=list(targets))[: 5 * RECENT]
    found: dict[object, AuditEntry] = {}
    for entry in entries:
        found.setdefault(entry.operation_id or entry.seq, entry)
    shown = list(found.values())[:RECENT]
    still = Operation.objects.filter(pk__in=[entry.operation_id for entry in shown], state__in=OPEN_STATES)
    states: dict[UUID | None, str] = dict(still.values_list("pk", "state"))
    return [Reading(entry, json.loads(entry.text), states.get(entry.operation_id, "")) for entry in shown]
