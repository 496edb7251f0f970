"""Which slot's SOM a machine of the network is: the slot for which a person accepted its host key, and no other.

An address says nothing of that, and whoever types a wrong one would write to another slot's disk. Kept beside the host
keys, in DATA/ssh/slots.json: fingerprint -> resource ("b1/slot:3").
"""

import json
from pathlib import Path

from hardware.errors import HostKeyUnknown, TargetRefused
from hardware.flash.sshkeys import RemoteAddress, SshKeys


def slot_of(keys: SshKeys, fingerprint: str) -> str:
    """The resource of the slot whose SOM has this host key; empty if nobody has said."""
    return _read(keys).get(fingerprint, "")


def settle(keys: SshKeys, fingerprint: str, resource: str) -> None:
    """From now on it is that slot's. Raises RecordUnwritable."""
    with keys.locked():
        new = _file(keys).with_suffix(".new")
        new.write_text(json.dumps(_read(keys) | {fingerprint: resource}))
        new.replace(_file(keys))


def refuse_another_slots(keys: SshKeys, address: RemoteAddress, resource: str) -> None:
    """Raises HostKeyUnknown if no host key was accepted for that address, TargetRefused if it is another slot's.

    Does not ask the machine: that it still has this key is ssh's to see.
    """
    known = keys.known(address)
    if known is None:
        raise HostKeyUnknown(str(address))
    if (settled := slot_of(keys, known.fingerprint)) != resource:
        raise TargetRefused(f"{address} is not known as the machine in {place_words(resource)}{_where_else(settled)}.")


def place_words(resource: str) -> str:
    """ "slot 3 of b1"."""
    board, _, number = resource.partition("/slot:")
    return f"slot {number} of {board}"


def _where_else(settled: str) -> str:
    if not settled:
        return ": look for its disks once more, and accept its host key for this slot"
    return f": its host key was accepted for {place_words(settled)}"


def _read(keys: SshKeys) -> dict[str, str]:
    try:
        settled: dict[str, str] = json.loads(_file(keys).read_text())
    except (FileNotFoundError, ValueError):  # nobody has said anything yet, or the power went
        return {}
    return settled


def _file(keys: SshKeys) -> Path:
    return keys.directory / "slots.json"
