"""SOMs that run Linux and are flashed over SSH: the portal's key, whose host keys are accepted, and their disks.

`host` is what a person typed: "root@cm5.lan", "pi@10.0.0.7:2222". There is no row for it: what is accepted stands in
DATA/ssh, where ssh itself reads it. All of it blocks for the network, up to half a minute.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.db import transaction

from flashing.services import machines
from hardware.errors import HardwareError, RemoteRefused
from hardware.flash import network
from hardware.flash.network import RemoteDisk
from hardware.flash.sshkeys import RemoteAddress, SshKeys, scan_host_key
from operations import audit, roles
from operations.refusals import BadRequest, Conflict, Unavailable
from operations.roles import Actor

KEPT = 200  # of the disks that were shown: those of some twenty SOMs


@dataclass(frozen=True)
class HostKeySight:
    """The host key that a machine shows now, and what is thought of it; `accepted` is the accepted fingerprint or "".

    `state`: "new" (nobody has accepted any), "accepted" (this one, for this slot), "elsewhere" (this one, but for the
    slot in `settled`, "" if that was not said), "changed" (another one: the machine was set up anew or is not the one
    that it was).
    """

    address: RemoteAddress
    kind: str
    fingerprint: str
    accepted: str
    state: Literal["new", "accepted", "elsewhere", "changed"]
    settled: str = ""

    @property
    def elsewhere(self) -> str:
        """ "slot 5 of b1", if its key was accepted for that."""
        return machines.place_words(self.settled) if self.settled else ""


def keys() -> SshKeys:
    """What the portal's connections are made with."""
    return SshKeys(Path(settings.DATA_DIR) / "ssh")


def public_key() -> str:
    """The line that belongs into ~/.ssh/authorized_keys of every SOM; made at the first call. Raises Unavailable."""
    with _as_refusals():
        return keys().public_key()


def fingerprint(resource: str, host: str, actor: Actor) -> HostKeySight:
    """Asks the machine for its host key; `resource` is the slot whose SOM it is said to be, "b1/slot:3".

    Raises NotPermitted, BadRequest for the address, Unavailable.
    """
    roles.require(actor, "flash", resource)
    address = _address(host)
    with _as_refusals():
        shown, known = scan_host_key(address), keys().known(address)
    if known is None:
        return HostKeySight(address, shown.kind, shown.fingerprint, "", "new")
    if known != shown:
        return HostKeySight(address, shown.kind, shown.fingerprint, known.fingerprint, "changed")
    settled = machines.slot_of(keys(), shown.fingerprint)
    state: Literal["accepted", "elsewhere"] = "accepted" if settled == resource else "elsewhere"
    return HostKeySight(address, shown.kind, shown.fingerprint, known.fingerprint, state, settled)


def trust(resource: str, host: str, fingerprint: str, actor: Actor) -> None:
    """Accepts the host key with the fingerprint that the person has compared, instead of any other before it, as that
    of the SOM in this slot and no other.

    Raises NotPermitted, BadRequest for the address, Conflict if the machine shows another one by now, Unavailable.
    """
    roles.require(actor, "flash", resource)
    address = _address(host)
    with _as_refusals():
        shown, before = scan_host_key(address), keys().known(address)
    if shown.fingerprint != fingerprint.strip():
        raise Conflict(
            f"{address} shows the host key {shown.fingerprint}, which is not the one that was compared.",
            code="host-key-changed",
        )
    detail = {
        "host": address.known_as,
        "kind": shown.kind,
        "slot_before": machines.slot_of(keys(), shown.fingerprint),
    }
    old, new = {"key": before.fingerprint if before else None}, {"key": shown.fingerprint}
    with _as_refusals(), transaction.atomic():
        keys().trust(address, shown)
        machines.settle(keys(), shown.fingerprint, resource)
        audit.record("flash.trust-host", actor=actor, target=resource, detail=detail, before=old, after=new)


def disks(resource: str, host: str, actor: Actor) -> tuple[RemoteDisk, ...]:
    """The disks of the SOM there, those that may be written to first; the others say why not (`uses`).

    Raises NotPermitted, BadRequest for the address, Unavailable with the code of what was in the way (host-key-unknown,
    host-key-changed, target-refused for another slot's machine, remote-refused, remote-unavailable, program-missing).
    """
    roles.require(actor, "flash", resource)
    address = _address(host)
    with _as_refusals():
        machines.refuse_another_slots(keys(), address, resource)
        found = network.list_disks(address, keys())
        _keep_shown(found)
    return tuple(sorted(found, key=lambda disk: bool(disk.uses)))


def parse(resource: str, text: str) -> tuple[str, str]:
    """The disk's name and its place as they are kept, from "root@CM5.lan:/dev/nvme0n1" (or a blank before the disk).

    Raises BadRequest, Unavailable if that machine is not known as the one in this slot.
    """
    try:
        address, disk = network.parse_place(":".join(text.split()))
    except RemoteRefused as error:
        raise BadRequest(str(error), code="bad-address") from error
    with _as_refusals():
        machines.refuse_another_slots(keys(), address, resource)
    return disk, network.place_of(address, disk)


def planned(place: str) -> dict[str, Any]:
    """What a flash of that place is bound to (DiskIdentity as a dict): the disk that people were shown there last.

    Names like sda are given anew at each start, and a run may wait for hours behind another. Empty if nobody has
    looked: then it is bound to what is there when it starts. Does not ask the machine.
    """
    identity: dict[str, Any] = _shown().get(place, {})
    return identity


def _keep_shown(found: tuple[RemoteDisk, ...]) -> None:
    with keys().locked():
        shown = _shown()
        for disk in found:
            shown.pop(disk.identity.place, None)  # the newest are the last
            shown[disk.identity.place] = asdict(disk.identity)
        new = _shown_file().with_suffix(".new")
        new.write_text(json.dumps(dict(list(shown.items())[-KEPT:])))
        new.replace(_shown_file())


def _shown() -> dict[str, dict[str, Any]]:
    try:
        shown: dict[str, dict[str, Any]] = json.loads(_shown_file().read_text())
    except (FileNotFoundError, ValueError):  # nobody has looked yet, or the power went
        return {}
    return shown


def _shown_file() -> Path:
    return keys().directory / "shown.json"


def _address(host: str) -> RemoteAddress:
    try:
        return RemoteAddress.parse(host)
    except RemoteRefused as error:
        raise BadRequest(str(error), code="bad-address") from error


@contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except HardwareError as error:
        raise Unavailable(str(error), code=error.code) from error
