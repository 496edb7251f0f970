"""SOMs that run Linux and are flashed over the network: whose host key is accepted, and which disks they have."""

from dataclasses import asdict
from typing import Any, Literal

from ninja import Field, Query, Router, Schema

from flashing.services import network
from operations.api import ACT_ERRORS, Strict
from operations.http import ActorRequest, begin_act
from slots.services import power

router = Router()
HOST = "Who and where: `root@cm5.lan`, `pi@10.0.0.7:2222`."


class HostIn(Strict):
    host: str = Field(max_length=255, description=HOST, examples=["root@cm5.lan"])


class TrustIn(HostIn):
    fingerprint: str = Field(max_length=100, description="As it was compared with what the machine itself says.")


class HostOut(Schema):
    public_key: str = Field(description="The portal's; it belongs into the machine's ~/.ssh/authorized_keys.")
    address: str
    kind: str
    fingerprint: str = Field(description="Of the host key that the machine shows now.")
    accepted: str = Field(description="Of the one that was accepted; empty for none.")
    state: Literal["new", "accepted", "elsewhere", "changed"]
    elsewhere: str = Field(description="For which other slot it was accepted, in words.")


class DiskOut(Schema):
    place: str = Field(description="What a flash names as `address`.")
    identity: dict[str, Any]
    uses: list[str] = Field(description="Why it is not written to; empty: it can be.")


class DiskList(Schema):
    count: int
    disks: list[DiskOut]


@router.get("/boards/{board}/slots/{int:number}/flash-network", response={200: HostOut, **ACT_ERRORS})
def get_host(request: ActorRequest, board: str, number: int, asked: Query[HostIn]) -> dict[str, Any]:
    """Ask a machine that is said to be in this slot for its host key. Takes up to half a minute."""
    begin_act(request, "flash.trust-host", f"{board}/slot:{number}")
    power.find_slot(board, number)
    return host_json(network.fingerprint(f"{board}/slot:{number}", asked.host, request.actor))


@router.post("/boards/{board}/slots/{int:number}/flash-network/trust", response={200: HostOut, **ACT_ERRORS})
def trust_host(request: ActorRequest, board: str, number: int, body: TrustIn) -> dict[str, Any]:
    """Accept the host key of that fingerprint as that of the SOM in this slot; 409 `host-key-changed` if the machine
    shows another one by now."""
    slot = f"{board}/slot:{number}"
    actor = begin_act(request, "flash.trust-host", slot)
    power.find_slot(board, number)
    network.trust(slot, body.host, body.fingerprint, actor)
    return host_json(network.fingerprint(slot, body.host, actor))


@router.get("/boards/{board}/slots/{int:number}/flash-network/disks", response={200: DiskList, **ACT_ERRORS})
def list_disks(request: ActorRequest, board: str, number: int, asked: Query[HostIn]) -> dict[str, Any]:
    """The disks of a machine whose host key is accepted for this slot. A flash is bound to those seen last."""
    power.find_slot(board, number)
    found = network.disks(f"{board}/slot:{number}", asked.host, request.actor)
    disks = [
        {"place": disk.identity.place, "identity": asdict(disk.identity), "uses": list(disk.uses)} for disk in found
    ]
    return {"count": len(disks), "disks": disks}


def host_json(sight: network.HostKeySight) -> dict[str, Any]:
    plain = {name: getattr(sight, name) for name in ("kind", "fingerprint", "accepted", "state", "elsewhere")}
    return plain | {"public_key": network.public_key(), "address": str(sight.address)}
