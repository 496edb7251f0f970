"""Where the switch has seen which hardware address, and when, as far as that can be told.

The chip keeps one bit for each address, "a frame came", which falls when its ageing goes round (two thirds of the
ageing time) and no sooner. So a reading that finds the bit set says only: since the last round. Two things say more: a
bit that was not set at the reading before, and the port's counter of frames, where no other address lives behind it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hardware.jl6108.addresses import Address
from hardware.vlan import CPU_PORT, FRONT_PORTS
from slots.models import Board
from switch.documents import Place, Wiring
from switch.models import PortReading, Sighting
from switch.services import rates, running
from switch.services.rates import PortNow

OWN = "switch"  # the place of the chip's own port
SOUGHT_EVERY = timedelta(seconds=60)  # the whole table: 18,000 transfers
LOOKED_AT_EVERY = timedelta(seconds=4)  # the addresses that are known: 34 each
REMEMBERED = timedelta(days=1)  # after the chip forgot one
MOST_REMEMBERED = 5000
MOST_LOOKED_AT = 256  # more are only looked at with the whole table
LONGEST_SEEKING = timedelta(seconds=30)
ROUND = 2 / 3  # of the ageing time


@dataclass(frozen=True)
class AddressView:
    """An address and where it was seen. `vid` is the VLAN it counts in, None where its domain is none of ours.

    A frame came from it after `seen_after` and not after `seen_at`; None: nothing of the kind is known. `held`: the
    chip has it; `hit` is its bit.
    """

    mac: str
    vid: int | None
    places: tuple[Place, ...]
    words: str
    fixed: bool
    held: bool
    hit: bool
    first_found_at: datetime
    seen_after: datetime | None
    seen_at: datetime | None
    moved_at: datetime | None


@dataclass(frozen=True)
class Addresses:
    """What is known of a board's addresses, and when the chip was asked. It forgets one after `ageing_seconds`."""

    views: tuple[AddressView, ...]
    sought_at: datetime | None
    read_at: datetime | None
    ageing_seconds: float | None


def seek(board: Board) -> Addresses:
    """Read the chip's whole table: 18,000 transfers, 2 s at 400 kHz. Blocks for it. Raises HardwareError."""
    began, chip = timezone.now(), running.chip_of(board)
    ageing = chip.read_ageing_seconds()
    _keep(board, began, chip.read_addresses(), ageing)
    return known(board)


def look(board: Board) -> Addresses:
    """What is known, read anew where that was too long ago: all of it each minute, what is known every few seconds.

    For a page that asks again and again; many that look cost no more than one. Raises HardwareError.
    """
    now, row = timezone.now(), _row(board)
    is_whole = row.addresses_sought_at is None or now - row.addresses_sought_at >= SOUGHT_EVERY
    due = Q(addresses_due_at=None) | Q(addresses_due_at__lte=now)
    # One of those that look at the same time reads; should it fail, the next one tries when its patience has ended.
    patience = LONGEST_SEEKING if is_whole else LOOKED_AT_EVERY
    if not PortReading.objects.filter(due, pk=row.pk).update(addresses_due_at=now + patience):
        return known(board)
    if is_whole:
        return seek(board)
    held = list(Sighting.objects.filter(board=board, is_held=True).order_by("place").values_list("place", flat=True))
    if len(held) <= MOST_LOOKED_AT:
        _keep(board, now, running.chip_of(board).reread_addresses(held), None)
    return known(board)


def _row(board: Board) -> PortReading:
    row, _ = PortReading.objects.get_or_create(board=board, defaults={"read_at": timezone.now(), "ports": []})
    return row


@transaction.atomic
def _keep(board: Board, began: datetime, found: Iterable[Address], ageing: float | None) -> None:
    """Write down a reading that `began` then: of the whole table, or without `ageing` of the places that were taken."""
    row, now = _row(board), timezone.now()
    before = {(one.mac, one.fid): one for one in Sighting.objects.filter(board=board)}
    row.ageing_seconds = row.ageing_seconds if ageing is None else ageing
    rows = {(one.mac, one.fid): _sighting(row, one, before.get((one.mac, one.fid)), now) for one in found}
    gone = [one.pk for key, one in before.items() if one.is_held and key not in rows]
    Sighting.objects.filter(pk__in=gone).update(is_held=False, has_hit=False)
    fields = ("place", "ports", "fixed", "is_held", "has_hit", "seen_after", "seen_at", "moved_at")
    Sighting.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=("board", "mac", "fid"), update_fields=fields
    )
    row.addresses_read_at, row.addresses_due_at = began, now + LOOKED_AT_EVERY
    if ageing is not None:
        row.addresses_sought_at = began
        _forget(board, now)
    row.save(update_fields=["ageing_seconds", "addresses_sought_at", "addresses_read_at", "addresses_due_at"])


def _sighting(row: PortReading, one: Address, old: Sighting | None, now: datetime) -> Sighting:
    """The row of an address that was read just `now`."""
    ports = sorted(one.ports)
    made = Sighting(
        board_id=row.board_id,
        mac=one.mac,
        fid=one.fid,
        place=one.place,
        ports=ports,
        fixed=one.fixed,
        has_hit=one.seen,
        first_found_at=old.first_found_at if old else now,
        seen_after=old.seen_after if old else None,
        seen_at=old.seen_at if old else None,
        moved_at=now if old and old.ports != ports else old.moved_at if old else None,
    )
    if one.seen and not one.fixed:
        made.seen_after, made.seen_at = _after(row, old, now), now
    return made


def _after(row: PortReading, old: Sighting | None, now: datetime) -> datetime | None:
    """After when the frame came whose bit is set `now`: the latest that is certain; None if nothing is."""
    certain = [now - timedelta(seconds=row.ageing_seconds * ROUND)] if row.ageing_seconds else []
    if old and old.seen_after:
        certain.append(old.seen_after)
    if old is None or not old.is_held:
        certain += [row.addresses_sought_at] if row.addresses_sought_at else []
    elif not old.has_hit and row.addresses_read_at:
        certain.append(row.addresses_read_at)
    return max(certain, default=None)


def _forget(board: Board, now: datetime) -> None:
    """Drop what the chip forgot long ago, and the oldest of it where somebody makes up addresses."""
    gone = Sighting.objects.filter(board=board, is_held=False)
    gone.filter(Q(seen_at__lt=now - REMEMBERED) | Q(seen_at=None, first_found_at__lt=now - REMEMBERED)).delete()
    surplus = Sighting.objects.filter(board=board).count() - MOST_REMEMBERED
    if surplus > 0:
        oldest = gone.order_by("first_found_at").values_list("pk", flat=True)[:surplus]
        Sighting.objects.filter(pk__in=list(oldest)).delete()


def known(board: Board) -> Addresses:
    """What is known, by place and address. Reads rows only."""
    row = PortReading.objects.filter(board=board).first()
    sightings = list(Sighting.objects.filter(board=board))
    chip = running.of(board).chip
    vids = {entry["fid"]: vid for vid, entry in sorted(chip.entries.items(), reverse=True)} if chip else {}
    heard = _heard(board, sightings)
    wiring = running.wiring(board)
    order = {port: number for number, port in enumerate((*wiring.in_order(), CPU_PORT))}
    sightings.sort(key=lambda one: (min((order[port] for port in one.ports), default=len(order)), one.mac, one.fid))
    return Addresses(
        tuple(_view(wiring, one, vids.get(one.fid), heard.get(one.pk)) for one in sightings),
        row.addresses_sought_at if row else None,
        row.addresses_read_at if row else None,
        row.ageing_seconds if row else None,
    )


def _heard(board: Board, sightings: list[Sighting]) -> dict[int, PortNow]:
    """The port of each address that lives there alone and has sent something lately: then the port's frames are its."""
    ports = rates.now(board)
    if ports is None:
        return {}
    found = {}
    for port in FRONT_PORTS:
        there = [one for one in sightings if one.is_held and port in one.ports]
        if len(there) == 1 and there[0].ports == [port] and there[0].has_hit and not there[0].fixed:
            found[there[0].pk] = ports[1][port - 1]
    return found


def _view(wiring: Wiring, one: Sighting, vid: int | None, heard: PortNow | None) -> AddressView:
    after, at = one.seen_after, one.seen_at
    if heard and heard.heard_after and (after is None or heard.heard_after > after):
        after, at = heard.heard_after, heard.heard_at
    return AddressView(
        mac=one.mac,
        vid=vid,
        places=tuple(OWN if port == CPU_PORT else wiring.place(port) for port in one.ports),
        words=" and ".join(wiring.words(port) for port in one.ports) or "nowhere",
        fixed=one.fixed,
        held=one.is_held,
        hit=one.has_hit,
        first_found_at=one.first_found_at,
        seen_after=after,
        seen_at=at,
        moved_at=one.moved_at,
    )
