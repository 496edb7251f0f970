"""What the hardware floor raises when the world does not obey, or when a planner refuses.

Every error carries a stable `code` (for programs), is one human sentence (`str(error)`) and says with `retryable`
whether the same command may succeed if it is given again without anything being changed first.
"""

from typing import ClassVar


class HardwareError(Exception):
    """The root of everything the hardware floor raises on purpose."""

    code: ClassVar[str] = "hardware"
    retryable: ClassVar[bool] = False

    #: Set by the sequencer when a line could not be released after this error: the second thing that went wrong.
    release_error: "HardwareError | None" = None


class BusError(HardwareError):
    """An I2C transfer failed. `nack` tells a device that did not answer from every other fault of the bus."""

    code = "bus-error"
    retryable = True

    def __init__(self, address: int, register: int | None, reason: str, *, nack: bool = False) -> None:
        self.address = address
        self.register = register
        self.reason = reason
        self.nack = nack
        where = f"0x{address:02X}" if register is None else f"0x{address:02X}, register 0x{register:02X}"
        super().__init__(f"The I2C bus failed at address {where}: {reason}.")


class BusUnavailable(HardwareError):
    """An I2C bus could not be opened."""

    code = "bus-unavailable"
    retryable = True

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The I2C bus {path} is not available: {reason}.")


class LineUnavailable(HardwareError):
    """The kernel, which owns the expander, did not let us have or use a line."""

    code = "line-unavailable"
    retryable = True

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"Line {line} is not available: {reason}.")


class VerifyMismatch(HardwareError):
    """A register, read back, does not hold the bit that was written."""

    code = "verify-mismatch"

    def __init__(self, register: str, wrote: int, read: int) -> None:
        self.register = register
        self.wrote = wrote
        self.read = read
        super().__init__(f"The {register} register was written 0x{wrote:02X} but reads 0x{read:02X}.")


class LineStuck(HardwareError):
    """The expander's registers are right, yet the line itself does not follow."""

    code = "line-stuck"

    def __init__(self, line: int, wanted: int, read: int) -> None:
        self.line = line
        self.wanted = wanted
        self.read = read
        names = ("low", "high")
        super().__init__(f"Line {line} was driven {names[wanted]} but reads {names[read]}.")


class PortUnavailable(HardwareError):
    """A serial port could not be opened, or vanished while it was in use."""

    code = "port-unavailable"
    retryable = True

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The serial port {path} is not available: {reason}.")


class DeviceNotFound(HardwareError):
    """A chip or device that the board file names is not there. `what` completes the sentence "... was not found"."""

    code = "device-not-found"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} was not found.")


class ChipRefused(HardwareError):
    """A switch chip answered, but it is not the one we know or its firmware is not up."""

    code = "chip-refused"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The switch chip was refused: {reason}.")


class BoardFileError(HardwareError):
    """A board file cannot be used; names the file and the key (empty if it is the file as a whole)."""

    code = "board-file"

    def __init__(self, file: str, key: str, problem: str) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        super().__init__(f"Board file {file}, key {key}: {problem}." if key else f"Board file {file}: {problem}.")


class TraitsError(HardwareError):
    """A SOM type's data cannot be used; names the key."""

    code = "som-traits"

    def __init__(self, name: str, key: str, problem: str) -> None:
        self.name = name
        self.key = key
        self.problem = problem
        super().__init__(f"SOM type {name}, key {key}: {problem}.")


class RecordUnwritable(HardwareError):
    """A record that has to be on disk before a line may move could not be written."""

    code = "record-unwritable"
    retryable = True

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The record {path} could not be written: {reason}.")


class ObservationTimeout(HardwareError):
    """What a sequence waited to see did not happen in time."""

    code = "not-observed"

    def __init__(self, state: str, timeout_seconds: float) -> None:
        self.state = state
        self.timeout_seconds = timeout_seconds
        super().__init__(f"The SOM was not observed {state} within {timeout_seconds:g} s.")


class SequenceRefused(HardwareError):
    """The planner refuses a reset type; nothing has moved. The message is the sentence shown to the person."""

    code = "sequence-refused"


class AmbiguousPowerState(SequenceRefused):
    """The reset would do the opposite of what was asked if the SOM is not in the state we hope for."""

    code = "ambiguous-power-state"


class NotSupported(SequenceRefused):
    """This type of SOM cannot do that."""

    code = "reset-type-unsupported"


class LatchedOff(SequenceRefused):
    """The SOM ignores its button until the whole board loses power."""

    code = "latched-off"


class AlreadyInState(SequenceRefused):
    """There is nothing to do."""

    code = "already-in-state"


class ImageError(HardwareError):
    """A disk image cannot be read or used. The message is the sentence shown to the person."""

    code = "image-unreadable"


class ImageTruncated(ImageError):
    """A disk image ends before it is complete."""

    code = "image-truncated"


class ImageCorrupt(ImageError):
    """A disk image's packing, partition table or contents are damaged."""

    code = "image-corrupt"


class ImageUnsupported(ImageError):
    """The file is something else than a disk image in a format that we read."""

    code = "image-unsupported"


class ImageNeedsMemory(ImageError):
    """Expanding a disk image takes more memory than is allowed."""

    code = "image-needs-memory"


class ImageTooLarge(ImageError):
    """A disk image expands to more than is allowed."""

    code = "image-too-large"


class BlockMapInvalid(ImageError):
    """A block map that came with an image is damaged, or is of another image."""

    code = "block-map-invalid"


class Stopped(HardwareError):
    """A person or a shutdown stopped what was being done; `what` completes the sentence "... was stopped"."""

    code = "stopped"
    retryable = True

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} was stopped.")


class BootModeTimeout(HardwareError):
    """Nobody brought a SOM into its boot mode in time; nothing was written. `sight` says what is on its USB path."""

    code = "boot-mode-timeout"
    retryable = True

    def __init__(self, sight: str, timeout_seconds: float) -> None:
        self.sight = sight
        self.timeout_seconds = timeout_seconds
        seen = sight[:1].lower() + sight[1:]
        super().__init__(f"The boot mode was not entered within {timeout_seconds / 60:g} minutes: {seen}")


class TargetRefused(HardwareError):
    """A disk must not be written to; nothing was. The message is the sentence shown to the person."""

    code = "target-refused"


class TargetInUse(TargetRefused):
    """The disk is mounted, belongs to something that runs, or is held open exclusively by another program."""

    code = "target-in-use"


class TargetChanged(TargetRefused):
    """The disk in that place is not the one that was planned for."""

    code = "target-changed"


class TargetAmbiguous(TargetRefused):
    """More than one disk could be meant."""

    code = "target-ambiguous"


class TargetTooSmall(TargetRefused):
    """The image does not fit on the disk."""

    code = "target-too-small"


class WriteError(HardwareError):
    """Writing to a SOM's storage failed at `offset_bytes`; what the storage holds is unknown."""

    code = "write-failed"

    def __init__(self, target: str, offset_bytes: int, reason: str) -> None:
        self.target = target
        self.offset_bytes = offset_bytes
        self.reason = reason
        super().__init__(f"Writing to {target} failed at {offset_bytes:,} bytes: {reason}.")


class ReadError(HardwareError):
    """Reading a SOM's storage back failed at `offset_bytes`."""

    code = "read-failed"

    def __init__(self, target: str, offset_bytes: int, reason: str) -> None:
        self.target = target
        self.offset_bytes = offset_bytes
        self.reason = reason
        super().__init__(f"Reading {target} back failed at {offset_bytes:,} bytes: {reason}.")


class VerifyError(HardwareError):
    """What was written does not read back; the difference lies in `length_bytes` from `offset_bytes`."""

    code = "verify-failed"

    def __init__(self, target: str, offset_bytes: int, length_bytes: int) -> None:
        self.target = target
        self.offset_bytes = offset_bytes
        self.length_bytes = length_bytes
        super().__init__(
            f"What {target} holds in the {length_bytes:,} bytes at {offset_bytes:,} is not what was written."
        )


class RemoteUnavailable(HardwareError):
    """There is no way to a SOM's Linux over the network now."""

    code = "remote-unavailable"
    retryable = True

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"The machine {address} cannot be reached over SSH: {reason}.")


class RemoteRefused(HardwareError):
    """A SOM's Linux lets us not in, or cannot do what is needed. The message is the sentence shown to the person."""

    code = "remote-refused"


class HostKeyUnknown(RemoteRefused):
    """Nobody has accepted the host key of that machine yet."""

    code = "host-key-unknown"

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(f"The host key of {address} has to be accepted first: compare its fingerprint.")


class HostKeyChanged(RemoteRefused):
    """The machine at that address shows another host key than the one that was accepted."""

    code = "host-key-changed"

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"The machine {address} shows another host key than the accepted one: it was set up anew or is another one."
        )
