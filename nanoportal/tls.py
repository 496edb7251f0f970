"""TLS for the web server: one port, a certificate that is read anew when it changes, and a way on for plain HTTP.

A browser that is sent to `http://` on this port is answered with the `https://` address, so that nobody stands before
a connection that is only cut.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import ssl
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

HANDSHAKE = b"\x16"  # the first byte of every TLS connection, and of no HTTP request
LONGEST_HEAD_BYTES = 8192
LOOKS_EVERY = timedelta(minutes=1)
log = logging.getLogger("nanoportal.tls")


class Certificates:
    """Twisted's source of TLS contexts: those of two PEM files, as they are now.

    `renew`, called at most once a minute and before the first use, may replace the files; what it raises is told in the
    log, and what was read before goes on being served.
    """

    def __init__(
        self, certificate: Path, key: Path, renew: Callable[[], object], now: Callable[[], datetime] = datetime.now
    ) -> None:
        """Reads the files. Raises OSError, OpenSSL.SSL.Error."""
        self._certificate, self._key, self._renew, self._now = certificate, key, renew, now
        renew()
        self._looked_at = now()
        self._stamp = self._stamp_now()
        self._context = self._read()

    def getContext(self) -> SSL.Context:
        """Twisted's call for each new connection."""
        now = self._now()
        if not timedelta() <= now - self._looked_at < LOOKS_EVERY:
            self._looked_at = now
            try:
                self._look()
            except (OSError, ValueError, SSL.Error) as error:
                log.warning("the certificate stays as it was: %s cannot be read: %s", self._certificate, error)
        return self._context

    def _look(self) -> None:
        self._renew()
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._context, self._stamp = self._read(), stamp

    def _stamp_now(self) -> tuple[int, ...]:
        return self._certificate.stat().st_mtime_ns, self._key.stat().st_mtime_ns

    def _read(self) -> SSL.Context:
        options = ssl.CertificateOptions(raiseMinimumTo=ssl.TLSVersion.TLSv1_2)
        context = options.getContext()
        context.use_certificate_chain_file(str(self._certificate))
        context.use_privatekey_file(str(self._key))
        context.check_privatekey()
        return context


class TlsOrWayOn(TLSMemoryBIOProtocol):
    """A connection whose first byte says whether it is TLS; if not, it is told where to go."""

    _head: bytes | None = b""

    def dataReceived(self, data: bytes) -> None:
        """Twisted's call with what came over the wire."""
        if self._head is None:
            super().dataReceived(data)
        elif not self._head and data.startswith(HANDSHAKE):
            self._head = None
            super().dataReceived(data)
        else:
            self._head += data
            if b"\r\n\r\n" in self._head or len(self._head) > LONGEST_HEAD_BYTES:
                self.transport.write(self.factory.way_on(self._head))
                self.transport.loseConnection()


class TlsEndpoint:
    """An endpoint that speaks TLS on what another one accepts."""

    def __init__(self, inner: Any, certificates: Certificates, is_ours: Callable[[str], bool]) -> None:
        self._inner, self._certificates, self._is_ours = inner, certificates, is_ours

    def listen(self, factory: Any) -> Any:
        """Twisted's call to begin."""
        wrapped = TLSMemoryBIOFactory(self._certificates, False, factory)
        wrapped.protocol = TlsOrWayOn
        wrapped.way_on = lambda head: way_on(head, self._is_ours)
        return self._inner.listen(wrapped)


def way_on(head: bytes, is_ours: Callable[[str], bool]) -> bytes:
    """The answer to a plain HTTP request: the same address with https, if its host is ours. Pure."""
    lines = head.partition(b"\r\n\r\n")[0].decode("latin1").split("\r\n")
    words = lines[0].split(" ")
    host = next((line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")), "")
    if len(words) != 3 or not words[1].startswith("/") or not is_ours(host) or not (host + words[1]).isprintable():
        return _answer("400 Bad Request", "This port speaks https only.\n")
    return _answer(
        "308 Permanent Redirect", "This port speaks https only.\n", f"Location: https://{host}{words[1]}\r\n"
    )


def _answer(status: str, text: str, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{more}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n"
    return f"{head}Connection: close\r\n\r\n{text}".encode("latin1")
