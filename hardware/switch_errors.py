"""What the switch's driver and the VLAN tables raise; a part of the tree in `hardware.errors`."""

from dataclasses import dataclass

from hardware.errors import HardwareError


@dataclass(frozen=True)
class RegisterDifference:
    """One word of a switch chip: `wrote` is what should be in it, `read` what is."""

    name: str
    address: int
    wrote: int
    read: int

    def __str__(self) -> str:
        return f"{self.name} at 0x{self.address:06X} was written 0x{self.wrote:08X} but reads 0x{self.read:08X}"


class RegistersDiffer(HardwareError):
    """Registers of the switch chip, read back, do not hold what was written; `differences` names each."""

    code = "switch-registers-differ"

    def __init__(self, differences: tuple[RegisterDifference, ...]) -> None:
        self.differences = differences
        super().__init__(f"The switch chip does not hold what it was given: {'; '.join(map(str, differences))}.")


class VlanTableInvalid(HardwareError):
    """A VLAN table contradicts itself or 802.1Q, whatever the chip. The message is the sentence shown to the person."""

    code = "vlan-table-invalid"


class SetupInvalid(VlanTableInvalid):
    """What is wanted of the switch beside its VLANs contradicts itself. The message is the sentence for the person."""

    code = "switch-setup-invalid"


class AddressTableFull(HardwareError):
    """The switch chip has no room for another fixed address. The message is the sentence shown to the person."""

    code = "address-table-full"


@dataclass(frozen=True)
class Refusal:
    """One thing that the chip cannot do: the VLAN and ports it is about, why, and the nearest thing that works."""

    code: str
    vid: int | None
    ports: tuple[int, ...]
    reason: str
    nearest: str

    def __str__(self) -> str:
        return f"{self.reason}; what works: {self.nearest}"


class VlanTableRefused(HardwareError):
    """A VLAN table is sound, but the switch chip cannot be set up that way; `refusals` has every reason."""

    code = "vlan-table-refused"

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        self.refusals = refusals
        super().__init__(f"The switch chip cannot do this: {' / '.join(map(str, refusals))}.")
