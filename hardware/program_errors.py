"""What running an outside program raises; a part of the tree in `hardware.errors`."""

from hardware.errors import HardwareError


class ProgramMissing(HardwareError):
    """An outside program, or a file that comes with it, is not installed on this machine."""

    code = "program-missing"

    def __init__(self, program: str, package: str) -> None:
        self.program = program
        self.package = package
        super().__init__(f"The program {program} is not installed on this machine; it comes with {package}.")


class ProgramFailed(HardwareError):
    """An outside program ended with an error; `reason` is what it said, or what that means."""

    code = "program-failed"
    retryable = True

    def __init__(self, program: str, status: int, reason: str) -> None:
        self.program = program
        self.status = status
        self.reason = reason
        end = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        super().__init__(f"The program {program} {end}: {reason}.")


class ProgramTimeout(HardwareError):
    """An outside program was not done in time and has been ended; `last` is the last line that it printed."""

    code = "program-timeout"
    retryable = True

    def __init__(self, program: str, timeout_seconds: float, last: str) -> None:
        self.program = program
        self.timeout_seconds = timeout_seconds
        self.last = last
        said = f'; the last it said was "{last}"' if last else ", and said nothing"
        super().__init__(f"The program {program} was not done within {timeout_seconds:g} s{said}.")
