"""The JL6108 as the board's switch: who it is, and which of its ports have a link. Reads only."""

from hardware.contracts import Link
from hardware.errors import BusError, ChipRefused
from hardware.jl6108 import registers
from hardware.jl6108.transport import I2cBridge, WireMode


class Jl6108:
    """`SwitchChip` over the register bridge. The chip is asked for its identity before anything else is read.

    A chip that is not a JL6108 or JL6110, or whose firmware is not up, is refused: the addresses of other chips of the
    family differ.
    """

    def __init__(self, bridge: I2cBridge) -> None:
        self._bridge = bridge
        self._name: str | None = None

    def identify(self) -> str:
        """The chip's name. Raises BusError, ChipRefused."""
        if self._bridge.mode is None:
            self._bridge.mode = self._find_mode()
        # In this order, since the firmware fills in the version word only when it is up (section 1.1).
        (boot_state,) = self._bridge.read_words(registers.BOOT_STATE.address)
        if not self._is_up(boot_state):
            raise ChipRefused(f"its firmware is not up (boot state 0x{boot_state:08X})")
        (core_version,) = self._bridge.read_words(registers.CORE_VERSION.address)
        name = registers.chip_name(core_version)
        if name is None:
            raise ChipRefused(f"its version word 0x{core_version:08X} is not that of a JL6108 or JL6110")
        return name

    def read_links(self) -> tuple[Link, ...]:
        """The links of ports 1 to 8. Raises BusError, ChipRefused."""
        try:
            self._name = self._name or self.identify()
            return tuple(self._read_link(port) for port in range(registers.PORTS))
        except BusError:
            # Whatever answers next has to say again who it is.
            self._name = None
            raise

    def close(self) -> None:
        self._bridge.close()

    def _read_link(self, port: int) -> Link:
        if port:
            self._bridge.give_way()
        (status,) = self._bridge.read_words(registers.LINK_STATUS.at(port))
        return Link(
            up=registers.link_is_up(status),
            mbps=registers.link_mbps(status),
            full_duplex=registers.link_is_full_duplex(status),
        )

    def _is_up(self, boot_state: int) -> bool:
        if boot_state == registers.PATCH_BOOT:
            return self._bridge.read_words(registers.PATCH_VERSION.address) != (0,)
        return boot_state in (registers.NORMAL_BOOT, registers.RTOS_BOOT)

    def _find_mode(self) -> WireMode:
        """Reads the version word in either byte order; only the right one gives a known chip (section 3.2).

        Harmless in the wrong one: the start command and the write bit then travel in the byte that means nothing. What
        the chip answers to it is not known, so a NACK says no more than a wrong word; only two of them are an error.
        """
        seen: list[str] = []
        missing: list[BusError] = []
        for mode in WireMode:
            try:
                (core_version,) = self._bridge.read_words(registers.CORE_VERSION.address, mode=mode)
            except BusError as error:
                if not error.nack:
                    raise
                missing.append(error)
                continue
            if registers.chip_name(core_version):
                return mode
            seen.append(f"0x{core_version:08X}")
        if not seen:
            raise missing[0]
        raise ChipRefused(
            f"its version word, {' or '.join(seen)}, is not that of a JL6108 or JL6110 whose firmware is up"
        )
