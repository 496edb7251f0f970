"""What jl6108.md marks as inferred or unknown, and the model had to decide: each can be switched to its alternative."""

from collections.abc import Mapping
from typing import NamedTuple


class AssumptionError(Exception):
    """An assumption or value that does not exist; the text is one sentence."""


class Assumption(NamedTuple):
    """`section` of jl6108.md, its `mark` there, the `values` (the first is what the model takes), and the question."""

    section: str
    mark: str
    values: tuple[str, ...]
    question: str


ASSUMPTIONS = {
    "port-numbers": Assumption("2", "inferred", ("straight", "reversed"), "do panel numbers follow the UTP order?"),
    "repeated-start": Assumption("3.2", "unknown", ("refused", "works"), "may a read follow a repeated start?"),
    "burst-address": Assumption(
        "3.1", "inferred", ("advances", "stays"), "does the address go on by 4 with each word?"
    ),
    "scratch": Assumption("1.1", "inferred", ("keeps", "ignores"), "does 0x124014 keep what is written to it?"),
    "read-advance": Assumption("25.1", "unknown", ("low", "pair"), "does reading RD_L alone fetch the next word?"),
    "bridge-registers": Assumption("25.3", "unknown", ("kept", "cleared"), "do INFOR and ADDR outlive an access?"),
    "left-over-words": Assumption(
        "25.2", "unknown", ("last-count", "first-count", "refused"), "which words count if too many were pushed?"
    ),
    "entry-writes": Assumption("3.6", "inferred", ("any", "whole"), "does a write of part of an entry take effect?"),
    "reserved-bits": Assumption("23", "unknown", ("kept", "zero"), "do reserved bits keep what is written to them?"),
    "web-firmware": Assumption("4.4", "unknown", ("quiet", "reapplies"), "does the firmware rewrite its own VLANs?"),
    "member-check": Assumption("5.5", "inferred", ("checked", "absent"), "is a frame from a non-member dropped?"),
    "table-reset": Assumption("5.2", "inferred", ("open", "closed"), "what are the 4096 VLAN entries after reset?"),
    "tag-limits": Assumption("5.1", "inferred", ("enforced", "ignored"), "do min/max_allowed_vlans drop frames?"),
    "known-tpids": Assumption("5.4", "inferred", ("both", "c-only"), "is 0x88A8 always recognised on ingress?"),
    "mixed-assignment": Assumption("25.7", "unknown", ("tag", "default"), "what does vlan_assignment 2 classify by?"),
    "specific-vid": Assumption("25.7", "unknown", ("keeps", "strips"), "does a tag that is 'no VID' stay?"),
    "range-tables": Assumption("25.18", "inferred", ("used", "ignored"), "do the range tables of 5.6 classify?"),
    "classified-by": Assumption(
        "26", "inferred", ("received", "source-op"), "is the VID found before or after the source operation?"
    ),
    "table-op": Assumption("26", "inferred", ("follows", "replaces"), "does a table operation replace the source's?"),
    "swap-untagged": Assumption("25.7", "unknown", ("nothing", "push"), "what does swap do to an untagged frame?"),
    "pop-untagged": Assumption("25.7", "unknown", ("nothing", "drop"), "what does pop do to an untagged frame?"),
    "selectors": Assumption("25.6", "unknown", ("current", "received"), "which tags do selectors 0 and 2 look at?"),
    "priority-tag": Assumption(
        "25.10", "unknown", ("tagged", "untagged"), "what is a tag with VID 0 to filters and limits?"
    ),
    "egress-filters": Assumption("25.9", "unknown", ("before", "after"), "do they see the frame before the egress op?"),
    "learning": Assumption("25.8", "unknown", ("after-check", "before-check"), "is a refused frame's address kept?"),
    "cpu-port": Assumption("25.16", "unknown", ("honours", "ignores"), "does the CPU port honour the port tables?"),
    "mib-clear": Assumption("8.1", "inferred", ("self-clearing", "stays"), "does mib_clear go back to 0 by itself?"),
    "restart-bit": Assumption("7.3", "inferred", ("clears", "stays"), "does BMCR bit 9 go back to 0 by itself?"),
}


class Assumptions:
    """The value of each assumption; `self["table-op"]` is one of its values."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Take the first value of each but those named in `values`. Raises AssumptionError."""
        self._values = {name: assumption.values[0] for name, assumption in ASSUMPTIONS.items()}
        for name, value in (values or {}).items():
            self.assume(name, value)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def assume(self, name: str, value: str) -> None:
        """Switch one assumption. Raises AssumptionError."""
        require(name)
        if value not in ASSUMPTIONS[name].values:
            raise AssumptionError(f"{name} is {' or '.join(ASSUMPTIONS[name].values)}, not {value!r}.")
        self._values[name] = value

    def as_json(self, name: str | None = None) -> dict[str, dict[str, str]]:
        """Return what is assumed, and what else could be: of one, or of all. Raises AssumptionError."""
        if name is not None:
            require(name)
        return {
            each: {
                "value": self._values[each],
                "choices": "|".join(assumption.values),
                "section": assumption.section,
                "mark": assumption.mark,
                "question": assumption.question,
            }
            for each, assumption in ASSUMPTIONS.items()
            if name in (None, each)
        }


def require(name: str) -> None:
    """Raise AssumptionError if there is no such assumption."""
    if name not in ASSUMPTIONS:
        raise AssumptionError(f"There is no assumption {name!r}; there are {', '.join(ASSUMPTIONS)}.")
