"""Where the JL6108 has seen which MAC address: its address table ("FDB"), fixed entries, flushing ports. Section 10.

An address lies in one of four ways of a bucket that its hash names, or, where these are taken, in one of 16 slots
beside. A `place` is 0 to 4095 for the ways (bucket + 1024 times way) and 4096 to 4111 for the slots.
"""

import re
import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from hardware.errors import Stopped
from hardware.jl6108 import tables
from hardware.jl6108.access import Access
from hardware.jl6108.layout import Register
from hardware.jl6108.numbering import core_mask, core_port, ports_in
from hardware.jl6108.vlans import Progress
from hardware.switch_errors import AddressTableFull

PLACES = tables.ADDRESSES + tables.COLLISIONS
FIXED = 0b111  # valid, static, hit
HIT = 0b100  # comes and goes with frames


@dataclass(frozen=True)
class Address:
    """An address, the learning domain it counts in, and the ports it was seen at or is fixed to.

    `seen` is the chip's hit bit: frames came from it since the last look of the ageing. `drops`: frames to it go
    nowhere.
    """

    mac: str
    fid: int
    ports: frozenset[int]
    fixed: bool
    seen: bool
    drops: bool
    place: int


class AddressTable(Access):
    """Everything raises BusError, ChipRefused; ValueError for a port or address that cannot be; Stopped if told to.

    What fixes an address raises RegistersDiffer if the table does not hold it then.
    """

    def read_addresses(
        self,
        port: int | None = None,
        on_progress: Progress = lambda done, total: None,
        stop: threading.Event | None = None,
    ) -> tuple[Address, ...]:
        """All addresses, or those of one port: 17,990 transfers (2 s at 400 kHz) and 24 for each address found.

        The table goes on changing meanwhile. Gives way after each burst.
        """
        core = None if port is None else core_port(port)
        groups: dict[int, frozenset[int]] = {}
        found = []
        for place, age in self._valid(on_progress, stop):
            destination = self._get(tables.DESTINATION, place)
            if core is not None and not _leads_to(destination, core):
                continue
            found.append(self._address(place, age, destination, groups))
        return tuple(found)

    def reread_addresses(self, places: Iterable[int]) -> tuple[Address, ...]:
        """What lies in these places now, without those that are free: 10 transfers for each, 24 more if it is taken.

        For a look again at what `read_addresses` found, at a fiftieth of its cost. Gives way after each place.
        """
        groups: dict[int, frozenset[int]] = {}
        found = []
        for place in places:
            register, index = _age(place)
            age = self._get(register, index)
            if register.get(age, "valid"):
                found.append(self._address(place, age, self._get(tables.DESTINATION, place), groups))
            self._bridge.give_way()
        return tuple(found)

    def find_address(self, mac: str, fid: int) -> Address | None:
        """One address, by its hash: at most 166 transfers, more only if slots are taken."""
        place = self._place_of(_number(mac), fid)
        if place is None:
            return None
        age = self._get(*_age(place))
        return self._address(place, age, self._get(tables.DESTINATION, place), {})

    def fix_address(self, mac: str, fid: int, ports: Collection[int], *, drops: bool = False) -> Address:
        """Ties an address to a port for good, or a group address to several; returns it as it lies in the table.

        With `drops`, frames to it go nowhere. Takes the place of what was learned for it; else a free way of its
        bucket, else one with a learned address, else a free slot. Raises AddressTableFull.
        """
        number = _number(mac)
        place = self._place_of(number, fid)
        if place is None:
            place = self._room_for(number, fid)
        self.write_address(place, mac, fid, ports, drops=drops)
        return Address(mac.lower(), fid, frozenset(ports), True, True, drops, place)

    def write_address(self, place: int, mac: str, fid: int, ports: Collection[int], *, drops: bool = False) -> None:
        """Puts a fixed address into a place, whatever is there. It counts only once all of it is written."""
        number = _number(mac)
        destination = self._destination(number, ports, drops)
        # Else frames to the old address would follow the new one's destination for a moment, or the other way round.
        self._clear(place)
        self._put(*_lookup(place), tables.LOOKUP.put(0, mac=number, fid=fid), verify=True)
        self._put(tables.DESTINATION, place, destination, verify=True)
        self._put(*_shadow(place), FIXED if place >= tables.ADDRESSES else FIXED & 1)
        register, index = _age(place)
        self._put(register, index, FIXED)
        self._verify(register, FIXED, index, ignoring=HIT)

    def remove_address(self, mac: str, fid: int) -> bool:
        """Takes an address out of the table, fixed or learned; False if it is not there."""
        place = self._place_of(_number(mac), fid)
        if place is None:
            return False
        self._clear(place)
        return True

    def flush_ports(
        self,
        ports: Collection[int],
        *,
        fixed: bool = False,
        on_progress: Progress = lambda done, total: None,
        stop: threading.Event | None = None,
    ) -> int:
        """Takes all learned addresses of these ports out of the table, with `fixed` those too; returns how many.

        17,990 transfers, 10 for each address and 16 for each that is taken out.
        """
        cores = {core_port(port) for port in ports}
        flushed = 0
        for place, age in self._valid(on_progress, stop):
            if tables.AGE.get(age, "static") and not fixed:
                continue
            destination = self._get(tables.DESTINATION, place)
            if any(_leads_to(destination, core) for core in cores):
                self._clear(place)
                flushed += 1
        return flushed

    def _valid(self, on_progress: Progress, stop: threading.Event | None) -> Iterator[tuple[int, int]]:
        """Place and age of every valid entry."""
        runs = ((tables.AGE, 0, tables.ADDRESSES), (tables.COLLISION_AGE, tables.ADDRESSES, tables.COLLISIONS))
        for register, first, count in runs:
            for number, age in enumerate(self._get_run(register, 0, count)):
                if number % 16 == 0:
                    on_progress(first + number, PLACES)
                    if stop is not None and stop.is_set():
                        raise Stopped("Reading the address table")
                if register.get(age, "valid"):
                    yield first + number, age
        on_progress(PLACES, PLACES)

    def _address(self, place: int, age: int, destination: int, groups: dict[int, frozenset[int]]) -> Address:
        register, index = _lookup(place)
        entry = self._get(register, index)
        return Address(
            mac=_text(register.get(entry, "mac")),
            fid=register.get(entry, "fid"),
            ports=self._ports_of(destination, groups),
            fixed=bool(tables.AGE.get(age, "static")),
            seen=bool(tables.AGE.get(age, "hit")),
            drops=bool(tables.DESTINATION.get(destination, "drop")),
            place=place,
        )

    def _ports_of(self, destination: int, groups: dict[int, frozenset[int]]) -> frozenset[int]:
        number = tables.DESTINATION.get(destination, "port")
        if tables.DESTINATION.get(destination, "unicast"):
            return ports_in(1 << number)
        if number not in groups:
            groups[number] = ports_in(self._get(tables.MULTICAST, number))
        return groups[number]

    def _place_of(self, number: int, fid: int) -> int | None:
        for place, age in self._candidates(number, fid):
            if not tables.AGE.get(age, "valid"):
                continue
            register, index = _lookup(place)
            entry = self._get(register, index)
            if (register.get(entry, "mac"), register.get(entry, "fid")) == (number, fid):
                return place
        return None

    def _candidates(self, number: int, fid: int) -> Iterator[tuple[int, int]]:
        """Place and age of everywhere an address can lie."""
        for place in _ways(number, fid):
            yield place, self._get(*_age(place))
        yield from enumerate(self._get_run(tables.COLLISION_AGE, 0, tables.COLLISIONS), tables.ADDRESSES)

    def _room_for(self, number: int, fid: int) -> int:
        ages = {place: self._get(*_age(place)) for place in _ways(number, fid)}
        for field in ("valid", "static"):
            for place, age in ages.items():
                if not tables.AGE.get(age, field):
                    return place
        for slot, age in enumerate(self._get_run(tables.COLLISION_AGE, 0, tables.COLLISIONS)):
            if not tables.AGE.get(age, "valid"):
                return tables.ADDRESSES + slot
        raise AddressTableFull(f"The switch has no room for {_text(number)} beside the fixed addresses it holds.")

    def _destination(self, number: int, ports: Collection[int], drops: bool) -> int:
        fields = {"drop": int(drops)}
        if number >> 40 & 1:
            return tables.DESTINATION.put(0, unicast=0, port=self._group(core_mask(ports)), **fields)
        if len(set(ports)) != 1:
            raise ValueError(f"{_text(number)} is the address of one device and has one port, not {len(set(ports))}.")
        return tables.DESTINATION.put(0, unicast=1, port=core_port(next(iter(ports))), **fields)

    def _group(self, mask: int) -> int:
        """The number of a group of ports in the multicast table, made if there is none yet."""
        groups = list(self._get_run(tables.MULTICAST, 0, tables.MULTICAST.count))
        if mask in groups:
            return groups.index(mask)
        if tables.FREE_MULTICAST not in groups:
            raise AddressTableFull(f"The switch already holds {len(groups)} groups of ports.")
        number = groups.index(tables.FREE_MULTICAST)
        self._put(tables.MULTICAST, number, mask)
        return number

    def _clear(self, place: int) -> None:
        self._put(*_age(place), 0)
        self._put(*_shadow(place), 0)


def bucket_of(mac: int, fid: int) -> int:
    """The bucket of an address: the six 10-bit slices of FID and MAC, one over the other (section 10)."""
    key = fid << 48 | mac
    bucket = 0
    for shift in range(0, 60, 10):
        bucket ^= key >> shift & 0x3FF
    return bucket


def _ways(mac: int, fid: int) -> list[int]:
    return [bucket_of(mac, fid) + tables.BUCKETS * way for way in range(tables.WAYS)]


def _age(place: int) -> tuple[Register, int]:
    return _part(place, tables.AGE, tables.COLLISION_AGE)


def _shadow(place: int) -> tuple[Register, int]:
    return _part(place, tables.AGE_SHADOW, tables.COLLISION_SHADOW)


def _lookup(place: int) -> tuple[Register, int]:
    return _part(place, tables.LOOKUP, tables.COLLISION_LOOKUP)


def _part(place: int, way: Register, slot: Register) -> tuple[Register, int]:
    return (way, place) if place < tables.ADDRESSES else (slot, place - tables.ADDRESSES)


def _leads_to(destination: int, core: int) -> bool:
    get = tables.DESTINATION.get
    return bool(get(destination, "unicast")) and get(destination, "port") == core


def _number(mac: str) -> int:
    if not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", mac):
        raise ValueError(f"{mac!r} is not a MAC address like 02:50:b6:11:22:33.")
    return int(mac.replace(":", ""), 16)


def _text(mac: int) -> str:
    return mac.to_bytes(6, "big").hex(":")
