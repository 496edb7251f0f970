"""The chip's contents read, written step by step, and compared. Everything here blocks for the bus."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from hardware.contracts import SwitchChip
from hardware.jl6108.layout import Entry
from hardware.jl6108.numbering import core_mask, core_port
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.tables import ISOLATION, VIDS
from hardware.jl6108.vlans import OPEN, PortTables, VlanEntry
from hardware.switch_errors import RegisterDifference, RegistersDiffer
from switch.steps import CANARY_VID, Step, WriteEntries, WriteIsolation, WriteLink, WriteMirror, WritePort, named, steps

#: So many entries as a reset leaves them are not read one by one at each look: the canary speaks for them.
BULK = 64

OnStep = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Reading:
    """What the chip holds. `was_reset`: not what was known of it; then nothing is known of the entries not read."""

    chip: ChipVlans
    was_reset: bool


def read(chip: SwitchChip, known: ChipVlans, also: Iterable[int] = ()) -> Reading:
    """The port tables, the entries that `known` speaks of and those of `also`, isolation, mirrors and links; other
    entries are taken from `known`.

    734 transfers, and 14 for each entry. Raises BusError, ChipRefused.
    """
    open_ones = [vid for vid, entry in known.entries.items() if entry == OPEN]
    left_out = set(open_ones) - set(also) - {0, CANARY_VID} if len(open_ones) > BULK else set()
    ports = chip.read_all_port_tables()
    found = chip.read_vlans((set(known.entries) | set(also) | {CANARY_VID}) - left_out)
    entries = {**{vid: known.entries[vid] for vid in left_out}, **found}
    live = {vid: entry for vid, entry in sorted(entries.items()) if entry.value}
    return Reading(whole(chip, live, ports), found[CANARY_VID] != known.entry(CANARY_VID))


def whole(chip: SwitchChip, entries: Mapping[int, VlanEntry], ports: Mapping[int, PortTables]) -> ChipVlans:
    """These, with what is beside the VLANs: 446 transfers. Raises BusError, ChipRefused."""
    return ChipVlans(entries, ports, chip.read_isolation(), chip.read_output_mirrors(), chip.read_link_settings())


def after_reset(chip: ChipVlans, was_read: Iterable[int] = ()) -> ChipVlans:
    """What a chip that was reset has to be taken for: every entry open that was not read."""
    entries = dict.fromkeys(range(VIDS), OPEN) | {vid: chip.entry(vid) for vid in was_read}
    return replace(chip, entries={vid: entry for vid, entry in entries.items() if entry.value})


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
    #: The tables of the ports written so far, until they are read back.
    unread: dict[int, PortTables] = {}
    for number, step in enumerate(made, start=1):
        if isinstance(step, WriteEntries) and step.opens:
            # Nothing is opened before it is certain that every port is as it is to be.
            _require_ports(chip, unread)
            unread = {}
        on_step(number, total, _words(step))
        _write(chip, step)
        if isinstance(step, WritePort) or (isinstance(step, WriteMirror) and step.port in unread):
            unread[step.port] = step.wanted  # with where copies went, which is forgotten after a port was written
    if forgets and made:
        chip.flush_learned()
    on_step(total, total, "reading everything back")
    _require_ports(chip, unread)
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


def what_was_read(running: ChipVlans, wanted: ChipVlans) -> str:
    """What `apply` has read back when it returns, for the log."""
    made = steps(running, wanted)
    parts = [f"{len(named(running, wanted))} VLAN entries"]
    for kind, what in ((WritePort, "tables of {} ports"), (WriteLink, "links of {} ports")):
        if count := len({step.port for step in made if isinstance(step, kind)}):
            parts.append(what.format(count).replace(" 1 ports", " 1 port"))
    parts += ["isolation"] if any(isinstance(step, WriteIsolation) for step in made) else []
    parts += ["copies"] if any(isinstance(step, WriteMirror) for step in made) else []
    return f"Read back and right: {', '.join(parts)}."


def _write(chip: SwitchChip, step: Step) -> None:
    """One step, read back at once but for port tables and entries that are opened, which are many."""
    match step:
        case WritePort():
            chip.write_port_tables(step.port, step.wanted, step.running, verify=False)
        case WriteEntries():
            chip.write_vlans(step.entries, verify=not step.opens)
        case WriteIsolation():
            chip.set_isolation(step.blocked)
        case WriteMirror():
            chip.write_port_tables(step.port, step.wanted, step.running)
            chip.write_output_mirror(step.port, step.output)
        case WriteLink():
            chip.write_link_settings(step.port, step.wanted, step.running)


def _read_back(chip: SwitchChip, wanted: ChipVlans, vids: Iterable[int]) -> None:
    """Raises RegistersDiffer unless these entries hold what they are to."""
    found = chip.read_vlans(vids)
    _require(_differences(vid, wanted.entry(vid), entry) for vid, entry in found.items())


def compare(chip: SwitchChip, wanted: ChipVlans, vids: Iterable[int]) -> tuple[RegisterDifference, ...]:
    """Every register of these entries, of the ports and beside them that does not hold what it is to."""
    found = chip.read_vlans(vids)
    differences = [*_port_differences(wanted.ports, chip.read_all_port_tables())]
    differences += [_differences(vid, wanted.entry(vid), entry) for vid, entry in found.items()]
    if wanted.isolation:
        differences += _isolation_differences(wanted.isolation, chip.read_isolation())
    if wanted.output_mirrors:
        mirrors = chip.read_output_mirrors()
        differences += [_differences(core_port(port), to, mirrors[port]) for port, to in wanted.output_mirrors.items()]
    links = chip.differing_link_settings(wanted.links) if wanted.links else ()
    return (*(one for some in differences for one in some), *links)


def _isolation_differences(
    wanted: Mapping[int, frozenset[int]], found: Mapping[int, frozenset[int]]
) -> list[list[RegisterDifference]]:
    """Of the words, only the part that is about isolation: the rest is the firmware's."""
    words = [
        (core_port(port), *(ISOLATION.put(0, sources=core_mask(ports)) for ports in (sources, found[port])))
        for port, sources in wanted.items()
    ]
    return [
        [RegisterDifference(ISOLATION.named(core), ISOLATION.at(core), to, is_)] for core, to, is_ in words if to != is_
    ]


def _require_ports(chip: SwitchChip, wanted: Mapping[int, PortTables]) -> None:
    """Raises RegistersDiffer; ChipRefused if the firmware is not up: starting, it would write over what is read."""
    chip.identify()
    # 46 transfers for one port, 288 for all of them.
    few = len(wanted) <= 6
    found = {port: chip.read_port_tables(port) for port in wanted} if few else chip.read_all_port_tables()
    _require(_port_differences(wanted, found))


def _require(found: Iterable[list[RegisterDifference]]) -> None:
    differences = tuple(one for some in found for one in some)
    if differences:
        raise RegistersDiffer(differences)


def _port_differences(
    wanted: Mapping[int, PortTables], found: Mapping[int, PortTables]
) -> list[list[RegisterDifference]]:
    return [
        _differences(core_port(port), to, is_)
        for port, tables in wanted.items()
        for to, is_ in zip(_tables(tables), _tables(found[port]), strict=True)
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


def _words(step: Step) -> str:
    match step:
        case WritePort():
            return f"writing the settings of port {step.port}"
        case WriteIsolation():
            return "letting ports hear each other" if step.opens else "keeping ports apart"
        case WriteMirror():
            return f"{'beginning' if step.opens else 'ending'} the copies of port {step.port}"
        case WriteLink():
            return f"setting the link of port {step.port}" if step.wanted.enabled else f"switching port {step.port} off"
        case WriteEntries():
            vids = sorted(step.entries)
            which = f"VLAN {vids[0]}" if len(vids) == 1 else f"{len(vids)} VLAN entries"
            return f"{'opening' if step.opens else 'closing'} {which}"
