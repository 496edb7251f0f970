"""Under which addresses people reach the portal."""

import socket

from nanoportal.env import Env, EnvironmentProblem, own_addresses

WILDCARDS = ("0.0.0.0", "::")


def check_port(env: Env) -> None:
    """Find out before anything starts whether the web server will be able to listen. Raises EnvironmentProblem."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(env.bind, env.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
            probe.bind(address)
            probe.listen()
    except OSError as error:
        reason = error.strerror or str(error)
        raise EnvironmentProblem(
            f"port {env.port} on {env.bind} cannot be opened ({reason}); PORT=... and BIND=... name another."
        ) from error


def accepts(env: Env) -> bool:
    """Whether the web server takes connections already."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(env.bind, env.bind)
    try:
        socket.create_connection((host, env.port), timeout=0.2).close()
    except OSError:
        return False
    return True


def portal_urls(env: Env) -> list[str]:
    """The address of the portal under each name that reaches it and that it answers to."""
    hosts = [env.bind]
    if env.bind in WILDCARDS:
        found = ["127.0.0.1", *own_addresses()]
        hosts = [host for host in found if (":" not in host or env.bind == "::")]
        hosts = [host for host in hosts if _bracketed(host) in env.allowed_hosts] or list(env.allowed_hosts)
    scheme = "https" if env.tls.is_on else "http"
    return [f"{scheme}://{_bracketed(host)}:{env.port}/" for host in hosts]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
