"""The files that say the same to each kind of system at its first boot. Pure.

Sources: docs.cloud-init.io (NoCloud; the modules users-groups, ssh, set-hostname, timezone); pi-gen's stage
04-cloud-init and rpi-imager 2 (`enable_ssh` in Raspberry Pi OS since trixie); raspberrypi-sys-mods, init_config
(custom.toml, 2022-09 to bookworm) and sshswitch; userconf-pi, userconf-service.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from enum import StrEnum

import yaml

from hardware.flash.firstboot import documents
from hardware.flash.firstboot.errors import FirstBootRefused
from hardware.flash.firstboot.values import Values


class Kind(StrEnum):
    """What in an image reads its boot partition at the first boot."""

    CLOUD_INIT = "cloud-init"
    CLOUD_INIT_PI = "cloud-init-pi"  # Raspberry Pi OS since trixie
    CUSTOM_TOML = "custom-toml"  # Raspberry Pi OS before, never booted
    USERCONF = "userconf"  # Raspberry Pi OS that knows no more than a user and SSH
    NONE = "none"

    @property
    def words(self) -> str:
        """As it stands in a sentence, for people."""
        return _WORDS[self]


_WORDS = {
    Kind.CLOUD_INIT: "cloud-init",
    Kind.CLOUD_INIT_PI: "Raspberry Pi OS with cloud-init",
    Kind.CUSTOM_TOML: "Raspberry Pi OS with custom.toml",
    Kind.USERCONF: "Raspberry Pi OS with userconf.txt",
    Kind.NONE: "nothing that reads a first-boot profile",
}
_PI_FILES = frozenset({"cmdline.txt", "config.txt"})
_FIELDS = {
    "hostname": "a host name",
    "user": "a user",
    "ssh_keys": "SSH keys",
    "timezone": "a time zone",
    "network": "network settings",
    "user_data": "cloud-init's user-data",
}
_READS = {
    Kind.CLOUD_INIT: frozenset(_FIELDS),
    Kind.CLOUD_INIT_PI: frozenset(_FIELDS),
    Kind.CUSTOM_TOML: frozenset({"hostname", "user", "ssh_keys", "timezone", "network"}),
    Kind.USERCONF: frozenset({"user"}),
}
# Source: what both makers give the first user (cloud-init's cloud.cfg for Ubuntu; rpi-imager)
_GROUPS = ("adm", "audio", "cdrom", "dialout", "netdev", "plugdev", "sudo", "users", "video")
_PI_GROUPS = ("games", "gpio", "i2c", "input", "render", "spi")


def kind_of(names: Collection[str], label: str, kernel_command: str) -> Kind:
    """The kind of system whose boot partition has these files in its root directory, this label, and this text in
    cmdline.txt ("" without one)."""
    there = {name.lower() for name in names}
    is_pi = there >= _PI_FILES and label.lower() != "system-boot"  # Ubuntu's has the firmware's files, too
    if there & {"user-data", "meta-data"} or label.lower() in ("system-boot", "cidata"):
        return Kind.CLOUD_INIT_PI if is_pi else Kind.CLOUD_INIT
    if not is_pi:
        return Kind.NONE
    # custom.toml is read by that program alone, and only as long as the kernel is told to start it.
    return Kind.CUSTOM_TOML if "raspberrypi-sys-mods/firstboot" in kernel_command else Kind.USERCONF


def why_not(values: Values, kind: Kind) -> str:
    """Why that kind of system cannot be told these values, in one sentence; "" if it can."""
    if kind is Kind.NONE:
        return (
            "Nothing in the image reads a first-boot profile: neither cloud-init's files nor those of Raspberry Pi OS "
            "are in its boot partition."
        )
    said = [name for name in _FIELDS if getattr(values, name)]
    if deaf := [_FIELDS[name] for name in said if name not in _READS[kind]]:
        told = " and ".join(deaf) if len(deaf) < 3 else f"{', '.join(deaf[:-1])} and {deaf[-1]}"
        why = "it is too old or has been booted before" if kind is Kind.USERCONF else "it has no cloud-init"
        return f"The image's first boot cannot be told {told} ({kind.words}: {why})."
    if kind is Kind.USERCONF and not values.password_hash:
        return f"The image's first boot takes a user only with a password ({kind.words})."
    try:
        _wlan(values) if kind is Kind.CUSTOM_TOML else None
    except FirstBootRefused as error:
        return str(error)
    return ""


def files_for(values: Values, kind: Kind, place: str) -> dict[str, bytes]:
    """The files for the boot partition's root directory, by name. `values` have no problems; `place` is where they
    are for ("lab/slot:3"), so that no two systems take themselves for the same.

    Raises FirstBootRefused if that kind of system cannot be told one of the values.
    """
    if problem := why_not(values, kind):
        raise FirstBootRefused(problem)
    if kind is Kind.CUSTOM_TOML:
        return {"custom.toml": _custom_toml(values).encode()}
    if kind is Kind.USERCONF:
        return {"userconf.txt": f"{values.user}:{values.password_hash}\n".encode(), "ssh": b""}
    files: dict[str, bytes] = {}
    if values.user or values.user_data:
        files["user-data"] = (values.user_data or _cloud_config(values, kind)).encode()
    elif values.hostname or values.timezone:
        # The image's own user-data stays: without it nobody could sign in.
        files["vendor-data"] = _cloud_config(values, kind).encode()
    if values.network:
        files["network-config"] = values.network.encode()
    return files | {"meta-data": _meta_data(values, place, files).encode()}


def with_what_is_needed(files: Mapping[str, bytes], there: Collection[str]) -> dict[str, bytes]:
    """`files` and what cloud-init needs to look at them at all, in a boot partition that has the files `there`."""
    lacks_user_data = "meta-data" in files and not {"user-data"} & {*files, *there}
    return {**files, **({"user-data": b"#cloud-config\n"} if lacks_user_data else {})}


def _meta_data(values: Values, place: str, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(b"\0".join([place.encode(), *files.values()])).hexdigest()
    lines = {"dsmode": "local", "instance-id": f"nanoportal-{digest[:16]}"}
    return _yaml(lines | ({"local-hostname": values.hostname} if values.hostname else {}))


def _cloud_config(values: Values, kind: Kind) -> str:
    said: dict[str, object] = {}
    if values.hostname:
        said |= {"hostname": values.hostname, "manage_etc_hosts": True}
    if values.timezone:
        said["timezone"] = values.timezone
    if values.user:
        is_pi = kind is Kind.CLOUD_INIT_PI
        said |= {"enable_ssh": True} if is_pi else {}
        said["ssh_pwauth"] = bool(values.password_hash)
        said["users"] = [_cloud_user(values, sorted(_GROUPS + _PI_GROUPS) if is_pi else _GROUPS)]
    return f"#cloud-config\n{_yaml(said)}"


def _cloud_user(values: Values, groups: Collection[str]) -> dict[str, object]:
    user: dict[str, object] = {
        "name": values.user,
        "groups": ",".join(groups),
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",  # as both makers give it to their first user
        "lock_passwd": not values.password_hash,
    }
    if values.password_hash:
        user["passwd"] = values.password_hash
    if values.ssh_keys:
        user["ssh_authorized_keys"] = list(values.ssh_keys)
    return user


def _yaml(said: Mapping[str, object]) -> str:
    return yaml.safe_dump(dict(said), sort_keys=False, allow_unicode=True, width=math.inf)


def _wlan(values: Values) -> documents.Wlan | None:
    return documents.wireless(values.network) if values.network else None


def _custom_toml(values: Values) -> str:
    tables: dict[str, dict[str, object]] = {}
    if values.hostname:
        tables["system"] = {"hostname": values.hostname}
    if values.user:
        password = {"password": values.password_hash, "password_encrypted": True} if values.password_hash else {}
        tables["user"] = {"name": values.user, **password}
        keys = {"authorized_keys": list(values.ssh_keys)} if values.ssh_keys else {}
        tables["ssh"] = {"enabled": True, "password_authentication": bool(values.password_hash), **keys}
    if wlan := _wlan(values):
        key = {"password": wlan.key, "password_encrypted": True} if wlan.key else {}
        country = {"country": wlan.country} if wlan.country else {}
        tables["wlan"] = {"ssid": wlan.ssid, **key, "hidden": wlan.hidden, **country}
    if values.timezone:
        tables["locale"] = {"timezone": values.timezone}
    return "\n".join(["config_version = 1\n", *(_table(name, said) for name, said in tables.items())])


def _table(name: str, said: Mapping[str, object]) -> str:
    """A table of TOML; text, truth and lists of text are written as in JSON."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in said.items()]
    return "\n".join([f"[{name}]", *lines, ""])
