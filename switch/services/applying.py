"""The chip's contents read, written step by step, and compared. Everything here blocks for the bus."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hardware.contracts import SwitchChip
from hardware.jl6108.layout import Entry
from hardware.jl6108.numbering import core_port
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.tables import VIDS
from hardware.jl6108.vlans import OPEN, PortTables
from hardware.switch_errors import RegisterDifference, RegistersDiffer
from switch.planning import CANARY_VID, WriteEntries, WritePort, named, steps

#: So many entries as a reset leaves them are not read one by one at each look: the canary speaks for them.
BULK = 64

OnStep = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Reading:
    """What the chip holds. `was_reset`: not what was known of it; then nothing is known of the entries not read."""

    chip: ChipVlans
    was_reset: bool


def read(chip: SwitchChip, known: ChipVlans, also: Iterable[int] = ()) -> Reading:
    """The port tables, the entries that `known` speaks of and those of `also`; other entries are taken from `known`.

    288 transfers, and 14 for each entry. Raises BusError, ChipRefused.
    """
    open_ones = [vid for vid, entry in known.entries.items() if entry == OPEN]
    left_out = set(open_ones) - set(also) - {0, CANARY_VID} if len(open_ones) > BULK else set()
    ports = chip.read_all_port_tables()
    found = chip.read_vlans((set(known.entries) | set(also) | {CANARY_VID}) - left_out)
    entries = {**{vid: known.entries[vid] for vid in left_out}, **found}
    live = {vid: entry for vid, entry in sorted(entries.items()) if entry.value}
    return Reading(ChipVlans(live, ports), found[CANARY_VID] != known.entry(CANARY_VID))


def after_reset(chip: ChipVlans, was_read: Iterable[int] = ()) -> ChipVlans:
    """What a chip that was reset has to be taken for: every entry open that was not read."""
    entries = dict.fromkeys(range(VIDS), OPEN) | {vid: chip.entry(vid) for vid in was_read}
    return ChipVlans({vid: entry for vid, entry in entries.items() if entry.value}, chip.ports)


def was_reset(chip: SwitchChip, known: ChipVlans) -> bool:
    """Whether the chip has lost `known`: its canary is open where it was closed. 14 transfers. Raises BusError,
    ChipRefused. A chip on which nothing was ever closed has nothing to lose, and is never told."""
    canary = known.entry(CANARY_VID)
    return canary != OPEN and chip.read_vlans((CANARY_VID,))[CANARY_VID] == OPEN


def apply(
    chip: SwitchChip,
    running: ChipVlans,
    wanted: ChipVlans,
    on_step: OnStep = lambda number, total, words: None,
    *,
    forgets: bool = False,
) -> None:
    """Takes the chip from one to the other and reads all of it back: what is closed before anything is opened.

    `on_step` is told of each step before it; `forgets`: learned addresses as well, which would lead frames to ports
    that have left their VLAN. Raises BusError, ChipRefused; RegistersDiffer with every register.
    """
    made = steps(running, wanted)
    total = len(made) + 1
    for number, step in enumerate(made, start=1):
        if isinstance(step, WritePort):
            on_step(number, total, f"writing the settings of port {step.port}")
            chip.write_port_tables(step.port, step.wanted, step.running, verify=False)
            continue
        if step.opens:
            # Nothing is opened before it is certain that every port is as it is to be.
            _require_ports(chip, wanted)
        on_step(number, total, _entries_words(step))
        chip.write_vlans(step.entries, verify=not step.opens)
    if forgets and made:
        chip.flush_learned()
    on_step(total, total, "reading everything back")
    if not any(isinstance(step, WriteEntries) and step.opens for step in made):
        _require_ports(chip, wanted)
    # What was closed for good was read back with each burst; after a reset those are thousands. But for the canary: a
    # chip that was reset meanwhile has all of them open again.
    closed = {
        vid
        for step in made
        if isinstance(step, WriteEntries) and not step.opens
        for vid, entry in step.entries.items()
        if entry == wanted.entry(vid) and vid != CANARY_VID
    }
    _read_back(chip, wanted, set(named(running, wanted)) - closed)


def _read_back(chip: SwitchChip, wanted: ChipVlans, vids: Iterable[int]) -> None:
    """Raises RegistersDiffer unless these entries hold what they are to."""
    found = chip.read_vlans(vids)
    _require(_differences(vid, wanted.entry(vid), entry) for vid, entry in found.items())


def compare(chip: SwitchChip, wanted: ChipVlans, vids: Iterable[int]) -> tuple[RegisterDifference, ...]:
    """Every register of these entries and of the ports that does not hold what it is to."""
    ports = chip.read_all_port_tables()
    found = chip.read_vlans(vids)
    entries = (_differences(vid, wanted.entry(vid), entry) for vid, entry in found.items())
    return tuple(one for some in (*_port_differences(wanted, ports), *entries) for one in some)


def _require_ports(chip: SwitchChip, wanted: ChipVlans) -> None:
    """Raises RegistersDiffer; ChipRefused if the firmware is not up: starting, it would write over what is read."""
    chip.identify()
    _require(_port_differences(wanted, chip.read_all_port_tables()))


def _require(found: Iterable[list[RegisterDifference]]) -> None:
    differences = tuple(one for some in found for one in some)
    if differences:
        raise RegistersDiffer(differences)


def _port_differences(wanted: ChipVlans, found: dict[int, PortTables]) -> list[list[RegisterDifference]]:
    return [
        _differences(core_port(port), to, is_)
        for port, tables in found.items()
        for to, is_ in zip(_tables(wanted.ports[port]), _tables(tables), strict=True)
    ]


def _tables(ports: PortTables) -> tuple[Entry, ...]:
    return (ports.source, ports.egress, ports.frame_filter)


def _differences(index: int, wanted: Entry, found: Entry) -> list[RegisterDifference]:
    register = wanted.register
    return [
        RegisterDifference(register.named(index), register.at(index) + 4 * number, to, is_)
        for number, (to, is_) in enumerate(zip(wanted.words, found.words, strict=True))
        if to != is_
    ]


def _entries_words(step: WriteEntries) -> str:
    vids = sorted(step.entries)
    which = f"VLAN {vids[0]}" if len(vids) == 1 else f"{len(vids)} VLAN entries"
    return f"{'opening' if step.opens else 'closing'} {which}"
