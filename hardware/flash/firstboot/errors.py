"""What can be wrong with first-boot files before a byte of them is written."""

from hardware.errors import HardwareError


class FirstBootInvalid(HardwareError):
    """A value of a first-boot profile cannot be used. The message is the sentence shown to the person."""

    code = "first-boot-invalid"


class FirstBootRefused(HardwareError):
    """The system in an image would not read what a first-boot profile says; nothing was written. The message says it
    to the person."""

    code = "first-boot-refused"


class BootPartitionError(HardwareError):
    """The boot partition of an image could not be read or changed; the image and the target are as they were."""

    code = "boot-partition"
