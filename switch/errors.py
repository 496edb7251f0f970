"""What the switch's way back raises when the world does not obey."""

from hardware.errors import HardwareError
from hardware.switch_errors import RegisterDifference


class RollbackFailed(HardwareError):
    """The switch could not be put back to what it held; `differences` names the registers that are known to differ."""

    code = "rollback-failed"

    def __init__(self, because: str, error: HardwareError, differences: tuple[RegisterDifference, ...] = ()) -> None:
        self.differences = differences
        super().__init__(f"{because} The switch could not be put back to what it held before: {error}")


class SwitchWasReset(HardwareError):
    """The switch chip was reset, and lost what was written to it. The message is the sentence shown to the person."""

    code = "switch-was-reset"
