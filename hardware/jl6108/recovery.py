"""What a writer that died may have left half-way in the JL6108, beside the registers that it was to change."""

from hardware.jl6108.ageing import Ageing
from hardware.jl6108.registers import HANDS_OFF, ISOLATION_JOB


class Recovery(Ageing):
    """Raises BusError, ChipRefused; RegistersDiffer."""

    def bring_into_step(self) -> None:
        """To be called before the first write after a writer died. Takes 70 transfers if it left nothing behind.

        The bridge no longer holds words of its (see `I2cBridge`), the firmware does its work on the isolation registers
        again, and addresses age as they did. What the writer was to change is for the caller to put right.
        """
        super().bring_into_step()
        # Clear after every start of the firmware and between two changes of ours (section 4.4). Ports' bits say whether
        # their flow control is forced, and stay.
        if self._get(HANDS_OFF) & ISOLATION_JOB:
            self._set_hands_off(ISOLATION_JOB, 0)
            self._verify(HANDS_OFF, 0, ignoring=~ISOLATION_JOB)
        self.end_flush()
