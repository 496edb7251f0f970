"""What can go wrong on the simulated board, by name."""

from collections.abc import Callable
from typing import Any, NamedTuple


class FaultError(Exception):
    """A fault that cannot be injected or cleared; its text is one sentence for the person who asked."""


class FaultKind(NamedTuple):
    """A fault: the parameters it takes (those in brackets may be left out), and what it does."""

    parameters: tuple[str, ...]
    effect: str


KINDS = {
    "nack": FaultKind(("CHIP", "[TIMES]"), "expander or switch does not answer to its address"),
    "bus-hang": FaultKind((), "the bus is held low: each transfer times out after 1 s"),
    "slow": FaultKind(("SECONDS",), "each transfer takes this long"),
    "lost-write": FaultKind(("[TIMES]",), "the expander acknowledges writes to its output register and forgets them"),
    "stuck": FaultKind(("LINE", "LEVEL"), "the expander's line stays at this level whatever drives it"),
    "som-ignores-line": FaultKind(("SLOT",), "the SOM does not react to its reset line"),
    "short-press-shuts-down": FaultKind(("SLOT",), "a short press asks a running LM3H for a shutdown"),
    "uart-gone": FaultKind(("SLOT",), "the slot's UART is unplugged"),
    "switch-firmware-down": FaultKind((), "the switch answers, its firmware never comes up"),
    "switch-busy": FaultKind(("POLLS",), "the switch's bridge reads busy this many times per access"),
    "switch-lsb": FaultKind((), "the switch is strapped to the low-byte-first wire mode"),
    "wrong-chip": FaultKind((), "the switch is of the JL6105/6107 family"),
    "switch-nack": FaultKind(("AFTER", "[TIMES]"), "the switch takes so many frames more, then does not answer"),
    "switch-stuck-busy": FaultKind(("AFTER", "[TIMES]"), "after so many accesses the bridge stays busy in the next"),
    "switch-corrupts-reads": FaultKind(("AFTER", "[TIMES]"), "after so many words bit 2 of those read is wrong"),
    "switch-corrupts-writes": FaultKind(("AFTER", "[TIMES]"), "after so many words bit 2 of those written is wrong"),
    "switch-resets": FaultKind(("AFTER", "[TIMES]"), "after so many accesses the switch resets in place of the next"),
    "switch-pressure": FaultKind((), "the switch's firmware changes what is its own between any two accesses"),
    "disk-bad-block": FaultKind(("SLOT", "OFFSET"), "the SOM's USB disk fails writes and reads from that byte on"),
    "disk-unreadable": FaultKind(("SLOT", "OFFSET"), "the SOM's USB disk fails reads from that byte on"),
    "disk-slow": FaultKind(("SLOT", "MB_PER_S"), "the SOM's USB disk takes and gives so many million bytes a second"),
    "disk-lies": FaultKind(("SLOT",), "the SOM's USB disk says it has what it was sent, and has something else"),
}


class Fault(NamedTuple):
    """An injected fault: `target` is a chip, line or slot, `value` the parameter after it, if the kind has them."""

    name: str
    target: str | int | None
    value: int | float | None
    times_left: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {field: value for field, value in self._asdict().items() if value is not None}


class Faults:
    """The faults of one board; `changed()` is called after each change."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._faults: dict[tuple[str, str | int | None], Fault] = {}

    def inject(self, name: str, arguments: list[str]) -> Fault:
        """Add a fault, or replace one of the same name and target; raises FaultError."""
        kind = KINDS.get(name)
        if kind is None:
            raise FaultError(f"There is no fault {name!r}; there are {', '.join(KINDS)}.")
        required = [parameter for parameter in kind.parameters if not parameter.startswith("[")]
        if not len(required) <= len(arguments) <= len(kind.parameters):
            raise FaultError(f"The fault is called with: {' '.join((name, *kind.parameters))}.")
        values = {
            parameter.strip("[]"): _parse(parameter.strip("[]"), argument)
            for parameter, argument in zip(kind.parameters, arguments, strict=False)
        }
        target = next((values[key] for key in ("CHIP", "LINE", "SLOT") if key in values), None)
        number = next((values[key] for key in _VALUES if key in values), None)
        fault = Fault(name, target, number, values.get("TIMES"))
        self._faults[name, target] = fault
        self.changed()
        return fault

    def clear(self, name: str | None = None) -> list[Fault]:
        """Remove the faults of that name, or all, and return them; raises FaultError for a name that does not exist."""
        if name is not None and name not in KINDS:
            raise FaultError(f"There is no fault {name!r}; there are {', '.join(KINDS)}.")
        cleared = [fault for fault in self._faults.values() if name in (None, fault.name)]
        for fault in cleared:
            del self._faults[fault.name, fault.target]
        self.changed()
        return cleared

    def active(self) -> list[Fault]:
        """Return all faults in the order of their injection."""
        return list(self._faults.values())

    def is_active(self, name: str, target: str | int | None = None) -> bool:
        """Return True if this fault is in force; does not use it up."""
        return (name, target) in self._faults

    def value(self, name: str, target: str | int | None = None) -> int | float | None:
        """Return the number given with a fault, None when it is not in force."""
        fault = self._faults.get((name, target))
        return fault.value if fault else None

    def strikes(self, name: str, target: str | int | None = None) -> bool:
        """Return True if this fault is in force, and use up one of its times."""
        fault = self._faults.get((name, target))
        if fault is None:
            return False
        if fault.times_left is not None:
            if fault.times_left > 1:
                self._faults[name, target] = fault._replace(times_left=fault.times_left - 1)
            else:
                del self._faults[name, target]
        return True

    def comes_due(self, name: str) -> bool:
        """Return True if this fault strikes now: each call is one of the AFTER that it lets pass first."""
        fault = self._faults.get((name, None))
        if fault is None:
            return False
        if fault.value:
            self._faults[name, None] = fault._replace(value=fault.value - 1)
            return False
        return self.strikes(name)


#: The parameters that are a fault's value; the others but TIMES say what it strikes.
_VALUES = ("SECONDS", "LEVEL", "POLLS", "OFFSET", "MB_PER_S", "AFTER")
_LIMITS = {
    **{"LINE": (0, 7), "SLOT": (1, 7), "LEVEL": (0, 1), "TIMES": (1, 1_000_000), "POLLS": (1, 1_000)},
    **{"OFFSET": (0, 2**43), "AFTER": (0, 10_000_000)},
}


def _parse(parameter: str, argument: str) -> Any:
    """Return the parameter's value from the command line; raises FaultError."""
    if parameter == "CHIP":
        if argument not in ("expander", "switch"):
            raise FaultError(f"CHIP is expander or switch, not {argument!r}.")
        return argument
    if parameter in ("SECONDS", "MB_PER_S"):
        try:
            number = float(argument)
        except ValueError:
            number = -1.0
        if not 0 < number <= 3600:
            raise FaultError(f"{parameter} is a number above 0 and up to 3600, not {argument!r}.")
        return number
    lowest, highest = _LIMITS[parameter]
    if not argument.isascii() or not argument.isdigit() or not lowest <= int(argument) <= highest:
        raise FaultError(f"{parameter} is a number from {lowest} to {highest}, not {argument!r}.")
    return int(argument)
