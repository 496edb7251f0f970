"""Who really asks, where a reverse proxy stands in front: the only place that reads `X-Forwarded-...`.

What is below, HTTP and WebSockets alike, sees the address, the scheme and the host as if there were no proxy. Anybody
can send these headers, so they count only from the proxies that NANOPORTAL_TRUSTED_PROXIES names, and nobody below ever
sees them.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
#: What proxies say of their clients, in the words of any of them.
HEARSAY = frozenset({FOR, PROTO, HOST, b"x-forwarded-port", b"x-forwarded-server", b"x-real-ip", b"forwarded"})
SECURE = {"http": "https", "websocket": "wss"}
PLAIN = {"http": "http", "websocket": "ws"}


class TrustedProxies:
    """ASGI middleware around everything else."""

    def __init__(self, application: Callable[..., Awaitable[Any]], networks: Sequence[Network]) -> None:
        self.application = application
        self.networks = tuple(networks)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if scope["type"] in PLAIN:
            scope = without_proxy(scope, self.networks)
        return await self.application(scope, receive, send)


def without_proxy(scope: dict[str, Any], networks: Sequence[Network]) -> dict[str, Any]:
    """The scope of a request as it would be without the proxies in `networks`; every forwarded header is taken out, and
    the prefix of the path that Daphne takes from a header of anybody's.

    The client is the last address that no trusted proxy has: what stands before it in `X-Forwarded-For` may be made up.
    Of scheme and host the last value counts, which the proxy next to us has written. `hearsay` in the scope says that
    the address may be that of a proxy: somebody sent such headers whom nobody trusts, or a named proxy did not say for
    whom it asks. Pure.
    """
    said = {name: value for name, value in scope["headers"] if name in HEARSAY}
    headers = [(name, value) for name, value in scope["headers"] if name not in HEARSAY]
    scope = {**scope, "root_path": ""}
    peer = _address((scope.get("client") or ("", 0))[0])
    if peer is None or not _is_trusted(peer, networks):
        return {**scope, "headers": headers, "hearsay": bool(said)}
    chain = b",".join(value for name, value in scope["headers"] if name == FOR)
    changed: dict[str, Any] = {"client": [str(_client(peer, chain, networks)), 0], "headers": headers}
    changed["hearsay"] = not chain
    if PROTO in said:
        is_secure = _last(said[PROTO]).lower() in (b"https", b"wss")
        changed["scheme"] = (SECURE if is_secure else PLAIN)[scope["type"]]
    if HOST in said:
        others = [(name, value) for name, value in headers if name != b"host"]
        changed["headers"] = [*others, (b"host", _last(said[HOST]))]
    return {**scope, **changed}


def _client(peer: Address, chain: bytes, networks: Sequence[Network]) -> Address:
    """The nearest address on the way from us to the client that is no trusted proxy; the farthest if all are."""
    found = peer
    for said in reversed(chain.split(b",")):
        address = _address(said.strip().decode("latin1"))
        if address is None:
            return found
        found = address
        if not _is_trusted(address, networks):
            return found
    return found


def _address(text: str) -> Address | None:
    """An address as it is written in a scope or a header; one of IPv4 in the clothes of IPv6 without these."""
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _last(value: bytes) -> bytes:
    return value.rpartition(b",")[2].strip()
