"""The two documents of a first-boot profile that people write themselves: netplan's and cloud-init's. Pure.

Sources: netplan.readthedocs.io, "YAML configuration"; docs.cloud-init.io, "User-data formats" and "Network
configuration, version 2".
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from hardware.flash.firstboot.errors import FirstBootRefused

MASK = "••••••••"
MAX_BYTES = 16 * 1024  # of each document: what people write by hand is far below it

_SECRET_KEYS = re.compile(r"passw|secret|psk|private|token|^keys?$|preshared|pre-shared", re.IGNORECASE)
_DEVICES = ("ethernets", "wifis", "bridges", "bonds", "vlans", "modems", "tunnels", "vrfs", "dummy-devices")
_FIRST_LINES = (
    *("#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler", "## template: jinja"),
    *("Content-Type: multipart", "MIME-Version:"),
)


@dataclass(frozen=True)
class Wlan:
    """One wireless network. `key` is the pre-shared key in hex, "" for an open one; `country` two letters or ""."""

    ssid: str
    key: str = field(repr=False)
    hidden: bool
    country: str


def network_problem(text: str) -> str:
    """Why netplan would not take the document, in one sentence; "" if it looks right."""
    if problem := _text_problem(text, "network settings"):
        return problem
    try:
        # Aliases would let a few lines stand for millions.
        if any(isinstance(event, yaml.AliasEvent) for event in _events(text)):
            return "The network settings use a YAML alias (*name): write out what it stands for."
        network = _network_of(_load(text))
    except _Malformed as error:
        return f"The network settings are no YAML{error}."
    if not isinstance(network, dict) or network.get("version") != 2:
        return "The network settings begin with “network:” and within it “version: 2”, as netplan writes them."
    groups = [network[kind] for kind in _DEVICES if kind in network]
    if not groups or not all(isinstance(group, dict) and group for group in groups):
        return "The network settings name no device: “ethernets:” or “wifis:” with one below it."
    if not all(isinstance(device, dict | None) for group in groups for device in group.values()):
        return "Each device of the network settings has its settings below it, one a line."
    return ""


def user_data_problem(text: str) -> str:
    """Why cloud-init would not take the user-data, in one sentence; "" if it looks right."""
    if problem := _text_problem(text, "user-data"):
        return problem
    if not text.startswith(_FIRST_LINES):
        return "User-data says what it is in its first line: “#cloud-config”, or “#!/bin/sh” for a script."
    if not text.startswith("#cloud-config"):
        return ""
    try:
        root = _events(text)[2:3]  # after the beginning of the stream and of the document
    except _Malformed as error:
        return f"The user-data is no YAML{error}."
    if not root or not isinstance(root[0], yaml.MappingStartEvent):
        return "The user-data is not a cloud-config: below its first line it needs keys, such as “packages:”."
    return ""


def masked_network(text: str) -> str:
    """The document without its secrets and without comments, which may hold one; placeholders stay."""
    return yaml.safe_dump(_masked(_load(text)), sort_keys=False, allow_unicode=True)


def masked_user_data(text: str) -> str:
    lines = text.count("\n") + 1
    return f"{text.splitlines()[0][:60]}\n# {MASK} {lines} lines that are shown to nobody, as they may hold secrets\n"


def wireless(text: str) -> Wlan | None:
    """The only thing of a netplan document that Raspberry Pi OS without cloud-init can be told: one wireless network.

    None if the document says no more than what that system does anyway (Ethernet by DHCP).

    Raises FirstBootRefused if it says more.
    """
    network = _network_of(_load(text))
    if any(network.get(kind) for kind in _DEVICES if kind not in ("ethernets", "wifis")):
        raise _too_much()
    points = [(device, *point) for device in _devices(network, "wifis") for point in _access_points(device)]
    if len(points) > 1 or not all(_is_plain_dhcp(device) for device in _devices(network, "ethernets")):
        raise _too_much()
    if not points:
        return None
    device, ssid, settings = points[0]
    wlan_only = {key: value for key, value in device.items() if key not in ("access-points", "regulatory-domain")}
    if not _is_plain_dhcp(wlan_only) or not settings.keys() <= {"password", "hidden"}:
        raise _too_much()
    country = str(device.get("regulatory-domain", ""))
    return Wlan(ssid, _wpa_key(ssid, settings), bool(settings.get("hidden")), country)


def _too_much() -> FirstBootRefused:
    return FirstBootRefused(
        "Raspberry Pi OS without cloud-init can be told one wireless network with a password, nothing else: these "
        "network settings say more. Use an image with cloud-init (Raspberry Pi OS since trixie), or leave them out."
    )


def _is_plain_dhcp(device: dict[str, Any]) -> bool:
    """Whether that is what happens without being told."""
    return device.keys() <= {"dhcp4", "dhcp6", "optional"} and device.get("dhcp4", True) is True


def _devices(network: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [device or {} for device in (network.get(kind) or {}).values()]


def _access_points(device: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    points = device.get("access-points") or {}
    if not isinstance(points, dict) or not all(isinstance(one, dict | None) for one in points.values()):
        raise _too_much()
    return [(str(ssid), settings or {}) for ssid, settings in points.items()]


def _wpa_key(ssid: str, settings: dict[str, Any]) -> str:
    """The 256-bit key of IEEE 802.11i, annex H.4, so that the passphrase itself lies in no boot partition."""
    secret = str(settings.get("password", ""))
    if not secret or re.fullmatch(r"[0-9a-fA-F]{64}", secret):
        return secret
    return MASK if secret == MASK else hashlib.pbkdf2_hmac("sha1", secret.encode(), ssid.encode(), 4096, 32).hex()


def _masked(node: Any, secret: bool = False) -> Any:
    if isinstance(node, dict):
        return {key: _masked(value, bool(_SECRET_KEYS.search(str(key)))) for key, value in node.items()}
    if isinstance(node, list):
        return [_masked(item, secret) for item in node]
    return MASK if secret and node is not None else node


class _Malformed(Exception):
    """Where a document breaks off being YAML, as the end of a sentence."""


def _load(text: str) -> Any:
    with _malformed():
        return yaml.safe_load(text)


def _events(text: str) -> list[Any]:
    """The document's marks without what they stand for."""
    with _malformed():
        return list(yaml.parse(text, yaml.SafeLoader))


@contextmanager
def _malformed() -> Iterator[None]:
    """The parser's own words quote the document, which may hold secrets."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise _Malformed(f", see line {mark.line + 1}" if mark else "") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _Malformed from None


def _network_of(document: Any) -> Any:
    """cloud-init takes the document with or without netplan's outermost key."""
    return document.get("network", document) if isinstance(document, dict) else None


def _text_problem(text: str, what: str) -> str:
    if len(text.encode()) > MAX_BYTES:
        return f"The {what} take more than {MAX_BYTES // 1024} KiB, which no first boot needs."
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        return f"The {what} hold control characters: paste them as plain text."
    return ""
