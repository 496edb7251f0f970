"""Which disk is which medium: a module's eMMC and its NVMe drive share a USB path, and only their sizes differ."""

from collections.abc import Iterable
from enum import StrEnum

from hardware.errors import DeviceNotFound, TargetAmbiguous, TargetRefused
from hardware.flash.disks import Disk

# An eMMC sold as 32 GB holds 31.3 thousand million bytes, one of 8 GB 7.8: some 2 % less than it says. UNVERIFIED for
# makers of whom we know no data sheet, hence the room; 1.08 is where GB would be GiB.
EMMC_LEAST, EMMC_MOST = 0.90, 1.08
GB = 10**9
#: The largest eMMC that is sold on a module that we know (Raspberry Pi's list: 64 GB on a CM5).
LARGEST_EMMC_GB = 64


# rpiboot's gadget gives each disk the name that its Linux has for it (UNVERIFIED, from owners' logs). It never decides
# alone, since another gadget may say what it likes; but a name that contradicts is believed.
NVME_NAME, CARD_NAME = "nvme", "mmcblk"


class Medium(StrEnum):
    """What a SOM stores on, as far as its download mode shows it."""

    EMMC = "eMMC"
    NVME = "NVMe"
    SD_CARD = "SD card"  # in the SOM's own socket: a Lite's, in place of an eMMC
    DISK = "disk"  # the only one there: a card in a reader


def match_medium(disks: Iterable[Disk], medium: Medium, path: str, *, emmc_gb: int | None) -> Disk:
    """The one disk that can be this medium, by its size and unless its name speaks against it.

    `emmc_gb` is what is on record for the module: 0 for none, None for not recorded, and then whatever is at most as
    large as the largest eMMC may be one.

    Raises DeviceNotFound if there is none, TargetAmbiguous if there are several, TargetRefused if the module has none.
    """
    if medium is Medium.EMMC and emmc_gb == 0:
        raise TargetRefused("The SOM in this slot has no eMMC, as recorded.")
    there = tuple(disks)
    fit = [disk for disk in there if _fits(disk, medium, emmc_gb)]
    if len(fit) > 1:
        raise TargetAmbiguous(
            f"More than one disk at USB {path} could be the {medium}, so none is written: {_listed(fit)}."
        )
    if not fit:
        others = f" (there is only {_listed(there)})" if there else ""
        raise DeviceNotFound(f"{_expected(medium, emmc_gb)} at USB {path}{others}")
    return fit[0]


def _fits(disk: Disk, medium: Medium, emmc_gb: int | None) -> bool:
    if medium is Medium.DISK:
        return True
    may_be_emmc = _may_be_emmc(disk.identity.size_bytes, emmc_gb)
    if medium is Medium.NVME:
        return not may_be_emmc and not disk.model.startswith(CARD_NAME)
    if disk.model.startswith(NVME_NAME):
        return False
    return may_be_emmc if medium is Medium.EMMC else not (emmc_gb and may_be_emmc)


def _may_be_emmc(size_bytes: int, emmc_gb: int | None) -> bool:
    if emmc_gb is None:
        return size_bytes <= EMMC_MOST * LARGEST_EMMC_GB * GB
    return EMMC_LEAST * emmc_gb * GB <= size_bytes <= EMMC_MOST * emmc_gb * GB and emmc_gb > 0


def _expected(medium: Medium, emmc_gb: int | None) -> str:
    if medium in (Medium.DISK, Medium.SD_CARD):
        return "A disk" if medium is Medium.DISK else "An SD card"
    if medium is Medium.EMMC:
        return f"An eMMC of {emmc_gb} GB" if emmc_gb else f"An eMMC of at most {LARGEST_EMMC_GB} GB"
    return f"An NVMe drive of another size than an eMMC of {emmc_gb or LARGEST_EMMC_GB} GB"


def _listed(disks: Iterable[Disk]) -> str:
    return " and ".join(f"{disk.name} of {disk.identity.size_bytes:,} bytes" for disk in disks)
