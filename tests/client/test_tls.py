"""Certificates are checked: by the system's authorities or by the one that is named, and before a token is sent."""

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nanoportal_client.problems import Exit
from tests.client.rig import Ended, Remote, environment

NOW = datetime.now(UTC)


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, *more: tuple[x509.ExtensionType, bool]
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=1))
    for extension, critical in more:
        made = made.add_extension(extension, critical)
    return made


class Server(ThreadingHTTPServer):
    """Answers as a portal with no board, over TLS, for 127.0.0.1 by a certificate of its own authority's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = certificate("lab CA", authority, (x509.BasicConstraints(True, None), True))
        root_made = root.issuer_name(root._subject_name).sign(authority, hashes.SHA256())
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        leaf = certificate("portal", own, (address, False)).issuer_name(root_made.subject)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(root_made.public_bytes(serialization.Encoding.PEM))
        both = folder / "own.pem"
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        signed = leaf.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        both.write_bytes(own.private_bytes(*plain) + signed)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us leaves in the middle."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Authorization"])
        body = json.dumps({"count": 0, "boards": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("tls"))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def ask(server: Server, *words: str, url: str = "", **more: str) -> Ended:
    server.asked.clear()
    return Remote({**environment(url or server.url, "np_secret"), **more})(*words)


def test_a_certificate_of_an_authority_that_nobody_named_is_refused_before_the_token_is_sent(server: Server) -> None:
    ended = ask(server, "boards", "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.UNREACHABLE, "untrusted-certificate")
    assert "--ca" in ended.problem["message"]
    assert server.asked == []


def test_the_authority_that_is_named_is_trusted(server: Server) -> None:
    assert ask(server, "--ca", str(server.ca), "boards").code == Exit.DONE
    assert server.asked == ["Bearer np_secret"]
    assert ask(server, "boards", NANOPORTAL_CA=str(server.ca)).code == Exit.DONE


def test_a_certificate_for_another_name_is_refused(server: Server) -> None:
    ended = ask(server, "--ca", str(server.ca), "boards", url=server.url.replace("127.0.0.1", "localhost"))
    assert ended.code == Exit.UNREACHABLE
    assert server.asked == []


def test_a_console_checks_the_certificate_too(server: Server) -> None:
    server.asked.clear()
    ended = Remote(environment(server.url, "np_secret"))("--json", "console", "demo/3")
    assert (ended.code, ended.problem["code"]) == (Exit.UNREACHABLE, "untrusted-certificate")
    trusting = ask(server, "console", "demo/3", NANOPORTAL_CA=str(server.ca))
    assert trusting.code == Exit.UNREACHABLE
    assert "answers 200 instead of a console" in trusting.err
    assert server.asked == ["Bearer np_secret"]
