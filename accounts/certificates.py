"""The portal's own certificate authority and the certificate it serves with, for NANOPORTAL_TLS=auto.

Both are made here, lie in `DATA/tls/` and never leave the machine, but for the authority's certificate, which people
install once. It vouches for the names that the portal answers to and for addresses of private networks, and for nothing
else: whoever steals its key can pretend to be this portal, and not a bank.
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
LIFE = timedelta(days=397)  # browsers take no longer one
RENEWED_BEFORE_END = timedelta(days=30)
EARLIER = timedelta(days=1)  # clocks differ
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10")


@dataclass(frozen=True)
class Files:
    """Where they lie. `certificate` and `key` are what the web server reads."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def authority_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"


def files_of(data: Path) -> Files:
    return Files(data / "tls")


def keep(files: Files, hosts: Sequence[str], now: datetime) -> bool:
    """See to it that there is a certificate for all of `hosts` which holds for 30 days more, and an authority that
    vouches for them; returns whether anything had to be made. Raises OSError, and ValueError for files that hold
    something else. Keys are mode 0600 from the first moment."""
    authority = _read(files.authority)
    if authority is None or not files.authority_key.exists() or not _serves(authority, hosts, now):
        _make_authority(files, hosts, now)
        authority = None
    current = _read(files.certificate)
    made_by = _read(files.authority)
    assert made_by is not None
    if authority and current and _holds(current, now) and set(hosts) <= _hosts_of(current) and files.key.exists():
        return False
    _make_certificate(files, made_by, hosts, now)
    return True


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate as browsers show it, "AB:CD:...". Raises OSError, ValueError."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()


def ends_at(certificate: Path) -> datetime:
    """Until when it holds. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


# ---- What is there -------------------------------------------------------------------------------------------------


def _read(path: Path) -> x509.Certificate | None:
    return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None


def _holds(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether it is valid now, and for a while to come. A board without a clock may have made it in another year."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWED_BEFORE_END


def _serves(authority: x509.Certificate, hosts: Iterable[str], now: datetime) -> bool:
    """Whether an authority holds and may vouch for all these names."""
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    networks = [ip_network(str(one.value)) for one in permitted if isinstance(one, x509.IPAddress)]
    names = {one.value for one in permitted if isinstance(one, x509.DNSName)}
    for host in hosts:
        address = _address(host)
        if address is not None and not any(address in network for network in networks):
            return False
        if address is None and host.removeprefix("*.") not in names:
            return False
    return _holds(authority, now)


def _hosts_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return {*names.get_values_for_type(x509.DNSName), *addresses}


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


# ---- What is made --------------------------------------------------------------------------------------------------


def _make_authority(files: Files, hosts: Iterable[str], now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    networks = [ip_network(text) for text in PRIVATE]
    addresses = [address for host in hosts if (address := _address(host)) is not None]
    networks += [ip_network(str(one)) for one in addresses if not any(one in network for network in networks)]
    permitted: list[x509.GeneralName] = [x509.IPAddress(network) for network in networks]
    permitted += [x509.DNSName(host.removeprefix("*.")) for host in hosts if _address(host) is None]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"NanoPortal {os.uname().nodename}"[:64])])
    usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
    made = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(files.authority_key, _private(key), 0o600)
    _write(files.authority, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_certificate(files: Files, authority: x509.Certificate, hosts: Sequence[str], now: datetime) -> None:
    signer = serialization.load_pem_private_key(files.authority_key.read_bytes(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{files.authority_key} holds another kind of key than was made for it.")
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = []
    for host in hosts:
        address = _address(host)
        names.append(x509.DNSName(host) if address is None else x509.IPAddress(address))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "NanoPortal")])
    usage = dict.fromkeys(_USAGES, False) | {"digital_signature": True}
    made = (
        _builder(subject, authority.subject, key.public_key(), now, LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write(files.key, _private(key), 0o600)
    _write(files.certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now - EARLIER + life)
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _write(path: Path, content: bytes, mode: int) -> None:
    """All of it or nothing, and never readable by others in between."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    os.chmod(draft, mode)
    os.replace(draft, path)
