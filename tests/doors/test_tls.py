"""NANOPORTAL_TLS: a certificate of our own that holds, is renewed and vouches for nothing else; one port for all."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from accounts import certificates
from accounts.certificates import Files
from nanoportal.env import EnvironmentProblem, load_env
from nanoportal.secured import names
from nanoportal.tls import way_on
from tests.portal import free_port, wait_for
from tests.simulated import PROJECT

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HOSTS = ["localhost", "portal.lan", "127.0.0.1", "::1", "203.0.113.9"]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return certificates.files_of(tmp_path)


def test_both_keys_are_ours_alone_and_the_certificate_names_every_host(files: Files) -> None:
    assert certificates.keep(files, HOSTS, NOW)
    assert {path.stat().st_mode & 0o777 for path in (files.key, files.authority_key)} == {0o600}
    assert files.folder.stat().st_mode & 0o777 == 0o700
    made = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert certificates._hosts_of(made) == set(HOSTS)
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=398), "browsers take no longer one"


def test_what_holds_is_kept_and_what_ends_soon_or_lacks_a_name_is_made_anew_by_the_same_authority(files: Files) -> None:
    certificates.keep(files, HOSTS, NOW)
    authority, first = files.authority.read_bytes(), files.certificate.read_bytes()
    assert not certificates.keep(files, HOSTS, NOW + timedelta(days=300))
    assert files.certificate.read_bytes() == first
    assert certificates.keep(files, HOSTS, NOW + timedelta(days=380))
    second = files.certificate.read_bytes()
    assert certificates.keep(files, [*HOSTS, "192.168.7.7"], NOW + timedelta(days=380))
    assert len({first, second, files.certificate.read_bytes()}) == 3
    assert files.authority.read_bytes() == authority


def test_an_authority_that_may_not_vouch_for_a_new_name_or_has_ended_makes_way_for_another(files: Files) -> None:
    certificates.keep(files, HOSTS, NOW)
    first = files.authority.read_bytes()
    certificates.keep(files, [*HOSTS, "other.lan"], NOW)
    second = files.authority.read_bytes()
    certificates.keep(files, [*HOSTS, "other.lan"], NOW + timedelta(days=3640))
    assert len({first, second, files.authority.read_bytes()}) == 3


def test_a_certificate_made_while_the_clock_stood_in_another_year_is_made_anew(files: Files) -> None:
    certificates.keep(files, HOSTS, NOW.replace(year=2045))
    assert certificates.keep(files, HOSTS, NOW)
    assert certificates.ends_at(files.certificate) > NOW


def test_the_authority_vouches_for_no_other_site(files: Files) -> None:
    """As a thief of its key would use it: with a client that trusts it."""
    certificates.keep(files, HOSTS, NOW)
    authority = certificates._read(files.authority)
    assert authority is not None
    certificates._make_certificate(files, authority, ["bank.example", "127.0.0.1"], datetime.now(UTC))
    with server(files) as port, pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        shake_hands(port, files.authority)


def shake_hands(port: int, authority: Path) -> None:
    context = ssl.create_default_context(cafile=str(authority))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


@contextlib.contextmanager
def server(files: Files) -> Iterator[int]:
    """Python's own TLS, for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        code = (
            "import socket, ssl, sys;"
            "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1], sys.argv[2]);"
            "client = socket.socket(fileno=int(sys.argv[3])).accept()[0];"
            "context.wrap_socket(client, server_side=True)"
        )
        words = [sys.executable, "-c", code, str(files.certificate), str(files.key), str(listening.fileno())]
        with open(os.devnull, "w") as nowhere:
            process = subprocess.Popen(words, pass_fds=[listening.fileno()], stderr=nowhere)
        yield int(listening.getsockname()[1])
        process.wait(20)


# ---- The web server as it is run -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def port(data: Path) -> Iterator[int]:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NANOPORTAL_")}
    environment |= {"NANOPORTAL_DATA": str(data), "NANOPORTAL_TLS": "auto", "REDIS_URL": "redis://127.0.0.1:1/0"}
    words = [sys.executable, "-m", "nanoportal.web", "--bind", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(words, cwd=PROJECT, env=environment)
    try:
        wait_for(lambda: listens(port), 40, "the web server")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, data: Path, path: str, **headers: str) -> http.client.HTTPResponse:
    context = ssl.create_default_context(cafile=str(certificates.files_of(data).authority))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_whoever_installed_the_authority_is_served_over_tls_with_hsts(port: int, data: Path) -> None:
    answer = ask(port, data, "/healthz")
    assert answer.status == 503, "there is neither database nor broker"
    assert answer.headers["Strict-Transport-Security"] == "max-age=86400"


def test_plain_http_on_the_same_port_is_led_to_https(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/boards/?page=2")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"https://127.0.0.1:{port}/boards/?page=2")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 400, "nobody is led elsewhere"


def test_a_body_that_is_too_large_is_refused_over_tls_too(port: int, data: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificates.files_of(data).authority))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    connection.putrequest("POST", "/login/")
    connection.putheader("Content-Length", "300000000")
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_the_way_on_keeps_the_address_and_invents_none() -> None:
    def ours(host: str) -> bool:
        return host == "portal.lan:8000"

    assert b"Location: https://portal.lan:8000/a?b=c\r\n" in way_on(
        b"GET /a?b=c HTTP/1.1\r\nhost: portal.lan:8000\r\n\r\n", ours
    )
    for head in (
        b"GET //evil.example HTTP/1.1\r\n\r\n",
        b"\x80\x01",
        b"GET http://x/ HTTP/1.1\r\nHost: portal.lan:8000\r\n",
        b"GET /\rSet-Cookie:x=1 HTTP/1.1\r\nHost: portal.lan:8000\r\n\r\n",
    ):
        assert way_on(head, ours).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("tls", ["off", "auto"])
def test_cookies_are_secure_and_hsts_is_said_only_with_tls_of_our_own(tmp_path: Path, tls: str) -> None:
    code = "from nanoportal import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE,"
    code += " s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0)"
    environment = {**os.environ, "NANOPORTAL_DATA": str(tmp_path), "NANOPORTAL_TLS": tls}
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert said.stdout.split() == [str(tls == "auto")] * 4, said.stderr


# ---- What it takes -------------------------------------------------------------------------------------------------


def test_the_variable_takes_off_auto_a_directory_or_two_files(tmp_path: Path) -> None:
    def tls(text: str):  # type: ignore[no-untyped-def]
        return load_env({"NANOPORTAL_TLS": text, "NANOPORTAL_DATA": str(tmp_path / "data")}).tls

    assert not tls("off").is_on
    assert tls("auto").certificate == tmp_path / "data" / "tls" / "server.crt"
    for text in (str(tmp_path), f"{tmp_path}/a,{tmp_path}/b", "on"):
        with pytest.raises(EnvironmentProblem, match="it takes off, auto, a directory"):
            tls(text)
    for name in ("fullchain.pem", "privkey.pem"):
        (tmp_path / name).touch()
    assert (tls(str(tmp_path)).is_own, tls(str(tmp_path)).key) == (False, tmp_path / "privkey.pem")


def test_a_name_with_all_below_it_is_one_of_a_certificate(files: Files) -> None:
    assert names([".Lab.example", "[::1]"]) == ["lab.example", "*.lab.example", "::1"]
    certificates.keep(files, names([".lab.example"]), NOW)
    assert not certificates.keep(files, names([".lab.example"]), NOW)
