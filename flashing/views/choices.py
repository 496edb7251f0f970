"""What has been chosen in the wizard so far. It stands in the page's address, so that every step can be gone back to,
reloaded and kept as a bookmark; nothing of it is believed until the request is made."""

from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from flashing.models import Method
from hardware.errors import RemoteRefused
from hardware.flash.sshkeys import RemoteAddress
from slots.models import FIRST, LAST

WITHOUT = "none"  # no first-boot profile; "" is not chosen yet


@dataclass(frozen=True)
class Aim:
    """Where a slot's image goes: the method, the medium on the SOM, and for the network its host and disk."""

    method: str
    medium: str = ""
    host: str = ""

    @property
    def value(self) -> str:
        """As it stands in the address: `rpiboot/eMMC`."""
        return f"{self.method}/{self.medium}"

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to choose."""
        return bool(self.medium) and (self.method != Method.NETWORK or bool(self.host))

    @property
    def address(self) -> str:
        """What a request says of the network: `root@10.0.0.3:/dev/mmcblk0`. Other methods have the board file's."""
        return f"{self.host}:/dev/{self.medium}" if self.method == Method.NETWORK else ""


@dataclass(frozen=True)
class Choices:
    """The answers of the wizard's steps; what is not answered yet is empty."""

    slots: tuple[int, ...] = ()
    image: UUID | None = None
    aims: dict[int, Aim] = field(default_factory=dict)
    profile: str = ""  # a number, WITHOUT, or ""

    @property
    def profile_id(self) -> int | None:
        return int(self.profile) if _is_number(self.profile) else None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """As names and values of a form or an address."""
        pairs = [("slot", str(number)) for number in self.slots]
        if self.image:
            pairs.append(("image", str(self.image)))
        for number, aim in sorted(self.aims.items()):
            pairs.append((f"to-{number}", aim.value))
            if aim.host:
                pairs.append((f"host-{number}", aim.host))
        return [*pairs, ("profile", self.profile)] if self.profile else pairs

    @property
    def query(self) -> str:
        return urlencode(self.pairs)

    def without(self, *names: str) -> list[tuple[str, str]]:
        """The pairs but those that a step asks for itself: `slot`, `image`, `to`, `profile`."""
        return [(name, value) for name, value in self.pairs if name.partition("-")[0] not in names]

    @property
    def missing(self) -> str:
        """The first step that is not answered; "" when the request can be reviewed."""
        if not self.slots:
            return "slots"
        if self.image is None:
            return "image"
        if not all(number in self.aims and self.aims[number].is_whole for number in self.slots):
            return "method"
        return "" if self.profile else "first-boot"


def read(query: QueryDict) -> Choices:
    """The choices that an address holds; what makes no sense counts as not chosen."""
    numbers = {int(text) for text in query.getlist("slot") if _is_number(text)}
    slots = tuple(sorted(number for number in numbers if FIRST <= number <= LAST))
    profile = query.get("profile", "")
    return Choices(
        slots=slots,
        image=_uuid(query.get("image", "")),
        aims={number: aim for number in slots if (aim := _aim(query, number))},
        profile=profile if profile == WITHOUT or _is_number(profile) else "",
    )


def _is_number(text: str) -> bool:
    """Digits of ours, and not so many that no number of the database's is meant."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _aim(query: QueryDict, number: int) -> Aim | None:
    method, _, medium = query.get(f"to-{number}", "").partition("/")
    if method not in Method.values:
        return None
    if method != Method.NETWORK:
        return Aim(method, medium[:20])
    return Aim(method, medium[:20], _host(query.get(f"host-{number}", "")))


def _host(text: str) -> str:
    """`root@cm5.lan` as it is written everywhere; "" for what is no address."""
    try:
        return str(RemoteAddress.parse(text))
    except RemoteRefused:
        return ""
