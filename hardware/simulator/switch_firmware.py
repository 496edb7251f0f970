"""The program that runs on the JL6108's own processor, as far as it touches the registers that a driver uses.

jl6108.md 4.2, 4.4, 4.5, marked [fw] there: one firmware's behaviour, which may not be that of the board's.
"""

from collections.abc import Callable

from hardware.simulator.clock import Scheduler, Timer
from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_fdb import AddressTable
from hardware.simulator.switch_memory import SwitchMemory
from hardware.simulator.switch_registers import (
    CCS_SCRATCH,
    CORES,
    EGRESS_PORT,
    LINK_CONTROL,
    MAC_STRIDE,
    MAILBOX,
    PAIR_FILTER,
    SOURCE_PORT,
    TOP_SCRATCH,
    VLAN_TABLE,
)

#: Bits of FW_RESERVED14: 1 keeps the firmware from that job.
_SELF_TEST, _FLUSH, _FILTERS = 1 << 12, 1 << 13, 1 << 16
_MAILBOX_AT_START = 0x0FFE0000
#: Bits 12 to 10 of the ingress/egress filters are the firmware's.
_PRESSURE_BITS = 0x1C00


class Firmware:
    """Starts after a reset, follows links, and shares registers with whoever is on the bus."""

    #: From reset to identity [inferred; 1.1 says only that identity is valid after boot].
    START_SECONDS = 1.5
    #: From the watchdog's last meal to the reset [unknown].
    WATCHDOG_SECONDS = 0.5

    def __init__(
        self,
        memory: SwitchMemory,
        addresses: AddressTable,
        scheduler: Scheduler,
        assumptions: Assumptions,
        reset_chip: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._addresses = addresses
        self._scheduler = scheduler
        self._assumptions = assumptions
        self._reset_chip = reset_chip
        self._timers: list[Timer] = []
        self._started = scheduler.now()
        self._turn = 0
        self._leave_marks_of_start()
        memory.on_read["HEARTBEAT"] = self._read_heartbeat
        memory.on_write["WATCHDOG"] = self._watchdog_written

    def reset(self) -> None:
        """Stop; nothing that firmware leaves behind is there."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        self._memory.put(MAILBOX, 0)

    def start(self) -> None:
        """Begin to start."""
        self._timers = [self._scheduler.call_later(self.START_SECONDS, self._run)]

    def link_changed(self, core: int, mbps: int) -> None:
        """Follow a link, unless the mailbox forbids the job."""
        if not self._memory.is_firmware_running:
            return
        mailbox = self._memory.word(MAILBOX)
        if not mbps and not mailbox & _FLUSH:
            self._addresses.flush(core)
        if not mailbox >> core & 1:
            address = LINK_CONTROL + MAC_STRIDE * (core - 2)
            pause = 1 << 7 | 1 << 9 if mbps else 0
            self._memory.put(address, self._memory.word(address) & ~(1 << 7 | 1 << 9) | pause)
        if mbps and self._assumptions["web-firmware"] == "reapplies":
            self._reapply()

    def work(self) -> None:
        """Do a turn of the jobs that buffer pressure causes, between two accesses of whoever is on the bus."""
        if not self._memory.is_firmware_running:
            return
        self._turn += 1
        mailbox = self._memory.word(MAILBOX)
        if not mailbox & _FILTERS:
            bits = self._turn % 8 << 10
            for core in range(2, CORES):
                address = PAIR_FILTER + 4 * core
                self._memory.put(address, self._memory.word(address) & ~_PRESSURE_BITS | bits)
        if not mailbox & _SELF_TEST:
            self._memory.put(TOP_SCRATCH, 0x5A5A5A5A)
            self._memory.put(CCS_SCRATCH, 0x5A5A5A5A)

    def _run(self) -> None:
        self._memory.is_firmware_running = True
        self._started = self._scheduler.now()
        self._memory.put(MAILBOX, _MAILBOX_AT_START)
        for core in range(CORES):
            self._memory.put(SOURCE_PORT + 16 * core, 0x9)
        self._leave_marks_of_start()

    def _leave_marks_of_start(self) -> None:
        for core in (0, 1):  # the absent SerDes ports (4.2)
            self._memory.put(PAIR_FILTER + 4 * core, _PRESSURE_BITS)

    def _reapply(self) -> None:
        """Write the VLANs that the web pages know of, everything in one, over whatever is there."""
        for core in range(2, CORES):
            for i, word in enumerate((0x9, 0x40000, 0, 0)):
                self._memory.put(SOURCE_PORT + 16 * core + 4 * i, word)
            for i in range(2):
                self._memory.put(EGRESS_PORT + 8 * core + 4 * i, 0)
        for vid in (0, 1):
            self._memory.put(VLAN_TABLE + 8 * vid, 0x7FF)
            self._memory.put(VLAN_TABLE + 8 * vid + 4, 0)

    def _read_heartbeat(self, address: int, word: int) -> int:
        if not self._memory.is_firmware_running:
            return 0
        return int((self._scheduler.now() - self._started) * 1000) & 0xFFFFFFFF

    def _watchdog_written(self, address: int, before: int, after: int) -> None:
        # It feeds the watchdog unless bit 2 is clear and bit 0 set (4.5).
        if after & 5 == 1 and self._memory.is_firmware_running:
            self._timers.append(self._scheduler.call_later(self.WATCHDOG_SECONDS, self._reset_chip))
