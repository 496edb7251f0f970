"""What NANOPORTAL_TLS asks for, as the web server's endpoint: none of TLS, our own certificate, or a given one."""

import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from OpenSSL import SSL

from accounts import certificates
from nanoportal.tls import Certificates, TlsEndpoint


def by_settings() -> Callable[[Any], Any]:
    """Puts TLS around an endpoint if the settings ask for it. Exits with one sentence if its files cannot be used."""
    if not settings.TLS.is_on:
        return lambda endpoint: endpoint
    try:
        source = Certificates(settings.TLS.certificate, settings.TLS.key, _renew if settings.TLS.is_own else _leave)
    except (OSError, ValueError, SSL.Error) as error:
        sys.exit(f"The web server does not start: {settings.TLS.certificate} and its key cannot be used: {error}")
    return lambda endpoint: TlsEndpoint(endpoint, source, is_ours)


def _renew() -> bool:
    return certificates.keep(certificates.files_of(settings.DATA_DIR), names(settings.ALLOWED_HOSTS), datetime.now(UTC))


def names(allowed: Iterable[str]) -> list[str]:
    """What Django's ALLOWED_HOSTS says, as a certificate says it: `.lab.example` is that and all below it."""
    found: list[str] = []
    for host in allowed:
        plain = host.lower().strip("[]").removeprefix(".")
        found += [plain, f"*.{plain}"] if host.startswith(".") else [plain]
    return found


def _leave() -> bool:
    """Others look after the files."""
    return False


def is_ours(host: str) -> bool:
    """Whether a Host header names one that the portal answers to."""
    domain, _ = split_domain_port(host.lower())
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
