"""What a first-boot profile says, for one slot, and whether a system could live with it. Pure."""

import base64
import binascii
import functools
import re
import struct
import zoneinfo
from dataclasses import dataclass, field, replace

from hardware.flash.firstboot import documents
from hardware.flash.firstboot.errors import FirstBootInvalid

MASK = documents.MASK

# Source: RFC 1123, section 2.1, and RFC 1035, section 2.3.4
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Source: userconf-pi, userconf-service: the strictest of the systems that we set up
_USER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_KEY_TYPES = frozenset(
    {
        *("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
        *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    }
)


@dataclass(frozen=True)
class SlotContext:
    """The slot that a profile is applied to: the board's slug, the slot's number, and what is known of its SOM."""

    board: str
    number: int
    name: str = ""
    som_type: str = ""
    serial: str = ""

    @property
    def words(self) -> dict[str, str]:
        """What each placeholder of a template stands for."""
        return {
            "board": self.board,
            "slot": str(self.number),
            "name": self.name,
            "type": self.som_type,
            "serial": self.serial,
        }


PLACEHOLDERS = tuple(SlotContext("", 0).words)


@dataclass(frozen=True)
class Values:
    """A profile for one slot, with its secrets open; an empty value leaves the image's own as it is.

    `password_hash` is crypt(3)'s, `network` a netplan document and `user_data` cloud-init's, both as text. Secrets do
    not show in its repr.
    """

    hostname: str = ""
    user: str = ""
    password_hash: str = field(default="", repr=False)
    ssh_keys: tuple[str, ...] = ()
    timezone: str = ""
    network: str = field(default="", repr=False)
    user_data: str = field(default="", repr=False)

    def masked(self) -> "Values":
        """The same with every secret replaced, to be shown; raw user-data may hold any, so all of it goes."""
        return replace(
            self,
            password_hash=MASK if self.password_hash else "",
            network=documents.masked_network(self.network) if self.network else "",
            user_data=documents.masked_user_data(self.user_data) if self.user_data else "",
        )

    def problems(self) -> dict[str, str]:
        """What is wrong with each field that has something wrong, one sentence each."""
        found = {name: words for name, check in _CHECKS.items() if (words := check(self))}
        if not any((self.hostname, self.user, self.timezone, self.network, self.user_data)) and not found:
            found["hostname"] = "The profile would change nothing: give it at least one value."
        return found


def render_hostname(template: str, context: SlotContext) -> str:
    """The host name that a template such as `{board}-{slot}` gives a slot; "" for an empty template.

    What a placeholder stands for is brought into a host name's letters first ("Lab 2" becomes "lab-2").

    Raises FirstBootInvalid: an unknown placeholder, one that this slot has no word for, or not a host name (RFC 1123:
    1 to 63 letters, digits and hyphens, no hyphen at either end; we also refuse dots and digits alone).
    """
    name = _PLACEHOLDER.sub(lambda found: _word(found[1], template, context), template.strip()).lower()
    if name and (problem := _hostname_problem(name)):
        where = f" for slot {context.number}" if context.number and name != template else ""
        raise FirstBootInvalid(f"“{name}” cannot be a host name{where}: {problem}.")
    return name


def _word(placeholder: str, template: str, context: SlotContext) -> str:
    words = context.words
    if placeholder not in words:
        raise FirstBootInvalid(
            f"The host name “{template}” asks for {{{placeholder}}}; there are "
            f"{', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}."
        )
    word = re.sub(r"[^a-z0-9]+", "-", words[placeholder].lower()).strip("-")
    if not word:
        raise FirstBootInvalid(
            f"The host name “{template}” asks for {{{placeholder}}}, and slot {context.number} has none recorded."
        )
    return word


def _hostname_problem(name: str) -> str:
    if "." in name:
        return "it takes one name without dots; the domain comes from the network"
    if len(name) > 63:
        return f"it has {len(name)} characters, and 63 are the most"
    if name.isdigit():
        return "digits alone would be taken for an address"
    if not _HOST_NAME.fullmatch(name):
        return "it takes letters (a to z), digits and hyphens, with no hyphen at either end"
    return ""


def render_network(document: str, context: SlotContext) -> str:
    """The netplan document with its placeholders (those of host names, nothing else in braces) filled in."""
    words = context.words
    return _PLACEHOLDER.sub(lambda found: words.get(found[1], found[0]) or found[0], document)


def _check_user(values: Values) -> str:
    belongings = bool(values.password_hash or values.ssh_keys)
    if not values.user:
        return "A password and SSH keys belong to a user: name one." if belongings else ""
    if values.user == "root" or not _USER.fullmatch(values.user):
        return "A user name takes lower-case letters, digits and hyphens, begins with a letter, and is not root."
    return "" if belongings else "This user could never sign in: give a password or an SSH key."


def _check_keys(values: Values) -> str:
    return next((words for key in values.ssh_keys if (words := _key_problem(key))), "")


def _key_problem(line: str) -> str:
    if "PRIVATE KEY" in line:
        return "This is a private key, which belongs to nobody else: paste the public one (the file that ends in .pub)."
    kind, _, rest = line.partition(" ")
    shown = line if len(line) <= 24 else f"{line[:24]}…"
    if kind not in _KEY_TYPES:
        return f"“{shown}” is no public key: a line begins with its type, for instance ssh-ed25519."
    try:
        blob = base64.b64decode(rest.split(" ", 1)[0], validate=True)
        length = struct.unpack_from(">I", blob)[0]
        matches = blob[4 : 4 + length] == kind.encode() and len(blob) > 4 + length
    except (binascii.Error, struct.error, ValueError):
        matches = False
    if not matches or not line.isprintable():
        return f"The key “{shown}” is damaged or not complete: paste its whole line."
    return ""


def _check_timezone(values: Values) -> str:
    # A machine without tzdata knows no zones: then only the form of the name can be judged.
    if not values.timezone or values.timezone in zones() or (not zones() and _ZONE.fullmatch(values.timezone)):
        return ""
    return f"“{values.timezone}” is no time zone; they are called for instance Europe/Berlin or UTC."


@functools.cache
def zones() -> tuple[str, ...]:
    """The names of the time zones that this machine knows."""
    return tuple(sorted(zoneinfo.available_timezones()))


def _check_network(values: Values) -> str:
    return documents.network_problem(values.network) if values.network else ""


def _check_user_data(values: Values) -> str:
    if not values.user_data:
        return ""
    if values.user or values.timezone:
        return "Raw user-data is used as it is: put user, keys and time zone into it, and leave those fields empty."
    return documents.user_data_problem(values.user_data)


_CHECKS = {
    "user": _check_user,
    "ssh_keys": _check_keys,
    "timezone": _check_timezone,
    "network": _check_network,
    "user_data": _check_user_data,
}
