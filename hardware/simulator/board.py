"""The simulated board: expander, switch and seven slots, and the wires between them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from hardware.simulator.bus import Bus
from hardware.simulator.chips import Pca9557Model
from hardware.simulator.clock import Scheduler
from hardware.simulator.faults import Fault, Faults
from hardware.simulator.login import LoginConsole
from hardware.simulator.som import KINDS, BootStage, Power, Som
from hardware.simulator.storage import Storage
from hardware.simulator.switch import Jl6108Model
from hardware.simulator.switch_registers import FIRMWARE_WORDS, OTHER_CHIP_WORDS
from hardware.simulator.trace import Trace
from hardware.simulator.uart import Uart
from hardware.simulator.usb import Face, Kernel, Socket, usb_path

if TYPE_CHECKING:  # it loads much that a board without peers has no use for
    from hardware.simulator.peers import Peer

EXPANDER_ADDRESS = 0x18  # the PCA9557 of the NanoCluster (vendor)
SWITCH_ADDRESS = 0x5C  # JL6108 reference, section 3.2
SWITCH_RESET_LINE = 0
CONTROLLER_SLOT = 1
UPLINK_PORT, UPLINK_MBPS = 8, 1000
#: The board that `make run` shows when there is no real one.
POPULATION = {1: "LM3H", 2: "CM4", 3: "CM5", 4: "CM5", 5: "M4N", 6: "LM3H"}
SLOTS_WITH_UART = range(2, 8)


class BoardError(Exception):
    """Something that cannot be done to this board now; its text is one sentence for the person who asked."""


class Slot:
    """A position on the board: perhaps a SOM with its storage, perhaps a UART, and a port of the switch."""

    def __init__(self, number: int, board: "Board", uart: Uart | None, usb: Socket | None) -> None:
        self.number = number
        self.usb = usb
        self.storage: Storage | None = None
        #: Slot s is wired to switch port 8 - s (nanocluster.md section 5).
        self.port = 8 - number
        self.uart = uart
        self.som: Som | None = None
        #: The real system that runs on whatever SOM is put in.
        self.peer: Peer | None = None
        self._board = board
        self._console: LoginConsole | None = None
        self._soms = 0

    def insert(self, kind: str) -> None:
        """Put a SOM in; it stays off until its line moves."""
        self.som = Som(KINDS[kind], f"{kind.lower()}-{self.number}", self._board.scheduler, self)
        self.som.has_peer = self.peer is not None
        self._console = LoginConsole(self.som.hostname, self.say, self._act)
        self.storage = self._board.new_storage(self.number, KINDS[kind].emmc_bytes)
        self._soms += 1

    def connect(self, peer: "Peer") -> None:
        """Put a real system behind the UART; the SOM, if there is one, is off."""
        self.peer = peer
        peer.ended = self._peer_ended
        if self.som is not None:
            self.som.has_peer = True

    def remove(self) -> None:
        """Take the SOM out, whatever it is doing, and its storage with it."""
        if self.som is not None:
            self.som.lose_power()
        if self.storage is not None:
            self.storage.discard()
        self.som = self._console = self.storage = None

    def power_changed(self, power: Power) -> None:
        if power is Power.ON and self._console is not None:
            self._console.forget()
        if self.peer is not None:
            if power is Power.ON and self.som is not None and self.som.stage is BootStage.PEER:
                written = self.storage.first_written() if self.storage is not None else None
                self.peer.power_on(written.file if written is not None else None)
            elif power is Power.OFF:
                self.peer.power_off()
        self._board.trace.record(slot=self.number, power=power)

    def link_changed(self, mbps: int) -> None:
        self._board.switch.set_partner(self.port, mbps)

    def face_changed(self, face: Face | None) -> None:
        if self.usb is None or self.storage is None:
            return
        if face is None:
            self.usb.hide()
        else:
            # Another SOM has another serial number, and the same one keeps its own over restarts of the simulator.
            serial = f"{crc32(f'{self._board.name} {self.number} {self._soms}'.encode()):08x}"
            self.usb.show(face, serial, self.storage.make() if face.has_disks else [])

    def find_system(self) -> str | None:
        assert self.som is not None
        factory = self.som.hostname
        hostname = factory if self.storage is None else self.storage.system_name(factory)
        self._console = LoginConsole(hostname or factory, self.say, self._act)
        return hostname

    def say(self, text: str) -> None:
        if self.uart is not None:
            self.uart.send(text.encode())

    def receive(self) -> None:
        """Hand what somebody wrote to the UART to the system that runs, if one does; else it is lost. A break that came
        as well is taken for the first of both: what follows one belongs to it."""
        self.receive_breaks()
        data = self.uart.receive() if self.uart is not None else b""
        if self.peer is not None:
            self.peer.send(data)
        elif self._console is not None and self.som is not None and self.som.stage is BootStage.LOGIN:
            self._console.feed(data)

    def receive_breaks(self) -> None:
        """Hand breaks to the real system, if one runs; the played ones take no notice."""
        for _ in range(self.uart.receive_breaks() if self.uart is not None else 0):
            self._board.trace.record(slot=self.number, uart="break")
            if self.peer is not None:
                self.peer.send_break()

    def _peer_ended(self) -> None:
        if self.som is not None:
            self.som.cut()

    def _act(self, command: str) -> None:
        if self.som is not None:
            if command == "poweroff":
                self.som.ask_for_shutdown()
            else:
                self.som.restart()

    def as_json(self, level: int) -> dict[str, Any]:
        """Return what `ctl state` shows of this slot; power and boot stage are None when it is empty."""
        som, uart = self.som, self.uart
        return {
            "type": som.kind.name if som else None,
            "power": som.power if som else None,
            "latched": som.is_latched if som else False,
            "boot": som.stage if som else None,
            "line": level,
            "port": self.port,
            "uart": uart and {"path": str(uart.link), "sent": uart.sent_bytes, "dropped": uart.dropped_bytes},
            **(self._outside() if self.usb is not None else {}),
            **({"peer": {"kind": self.peer.kind, "pid": self.peer.pid}} if self.peer else {}),
        }

    def _outside(self) -> dict[str, Any]:
        media = self.storage.media() if self.storage is not None else []
        return {
            "usb": self.usb and self.usb.as_json(),
            "boot_button": self.som is not None and self.som.is_boot_held,
            "media": {each.name: {"bytes": each.size_bytes, "written": not each.is_as_it_came} for each in media},
        }


class Board:
    """Everything on one board. Time passes through `scheduler`, all that happens is in `trace`."""

    def __init__(
        self,
        name: str,
        scheduler: Scheduler,
        trace: Trace,
        directory: Path | None = None,
        assumptions: Mapping[str, str] | None = None,
    ) -> None:
        """Give the board power: slot 1 runs, the rest is off.

        UARTs appear in `directory` as uart-2 to uart-7, storage in its `disks`, USB devices in its `sys` and `dev`
        (None: the board has neither); `assumptions` switch what the switch's model assumes. Raises OSError.
        """
        self.name = name
        self.scheduler = scheduler
        self.trace = trace
        self.faults = Faults()
        self.expander = Pca9557Model(self._pin_changed)
        self.expander.lose_write = lambda: self.faults.strikes("lost-write")
        self.switch = Jl6108Model(
            scheduler,
            lambda port, mbps: trace.record(port=port, link=mbps),
            assumptions=assumptions,
            faults=self.faults,
            trespassed=lambda address, bits: trace.record(reserved=f"0x{address:06X}", bits=f"0x{bits:08X}"),
        )
        self.bus = Bus(scheduler, trace, self.faults)
        self.bus.attach(EXPANDER_ADDRESS, self.expander)
        self.bus.attach(SWITCH_ADDRESS, self.switch)
        self._has_mains = True
        self.directory = directory
        self._kernel = Kernel(directory) if directory is not None else None
        self.slots = {number: Slot(number, self, self._uart(number), self._socket(number)) for number in range(1, 8)}
        for number, kind in POPULATION.items():
            self.slots[number].insert(kind)
        self.switch.set_partner(UPLINK_PORT, UPLINK_MBPS)
        controller = self.slots[CONTROLLER_SLOT].som
        assert controller is not None
        controller.start_booted()
        self.faults.changed = self._apply_faults

    def close(self) -> None:
        """End peers, take UARTs and USB devices away and end the trace; what SOMs have stored stays."""
        for slot in self.slots.values():
            if slot.peer is not None:
                slot.peer.power_off()
            if slot.uart is not None:
                slot.uart.unplug()
            if slot.storage is not None:
                slot.storage.tidy()
        if self._kernel is not None:
            self._kernel.clean()
        self.trace.close()

    def cycle_mains(self) -> None:
        """Cut the supply and give it back: registers, latches and SOMs start anew.

        Slot 1 stays on: whoever looks at this board stands for a controller with a supply of its own.
        """
        self.trace.record(mains="cycle")
        self._has_mains = False
        for slot in self.slots.values():
            if slot.som is not None:
                slot.som.forget_press()
                if slot.number != CONTROLLER_SLOT:
                    slot.som.lose_power()
        self.expander.power_up()
        self._has_mains = True
        self.switch.set_reset_line(0)
        self.switch.set_reset_line(self.expander.pins[SWITCH_RESET_LINE])

    def connect(self, number: int, make_peer: "Callable[[Uart], Peer]") -> None:
        """Put a real system behind a slot's UART; raises BoardError and what making it raises."""
        uart = self.slots[number].uart
        if uart is None:
            raise BoardError(f"Slot {number} has no UART.")
        self.slots[number].connect(make_peer(uart))

    def insert(self, number: int, kind: str) -> None:
        """Put a SOM of this kind into a slot; raises BoardError."""
        if kind not in KINDS:
            raise BoardError(f"There is no SOM type {kind!r}; there are {', '.join(KINDS)}.")
        slot = self.slots[number]
        if slot.som is not None:
            raise BoardError(f"Slot {number} holds a {slot.som.kind.name} already.")
        left_over = self.new_storage(number, 0)
        if left_over is not None:
            left_over.discard()  # a new SOM brings its own
        slot.insert(kind)
        self._apply_faults()

    def remove(self, number: int) -> None:
        """Take the SOM out of a slot; raises BoardError."""
        if number == CONTROLLER_SLOT:
            raise BoardError("Slot 1 is the controller and stays.")
        if self.slots[number].som is None:
            raise BoardError(f"Slot {number} is empty.")
        self.slots[number].remove()

    def upset_system(self, number: int, what: str) -> None:
        """Make the system of a slot hang, panic or shut down; raises BoardError."""
        som = self.slots[number].som
        if som is None:
            raise BoardError(f"Slot {number} is empty.")
        if som.has_peer and what != "shutdown":
            raise BoardError(f"A real system runs in slot {number}: make it {what} over its console.")
        if what == "shutdown":
            if not som.ask_for_shutdown():
                raise BoardError(f"No system is up in slot {number} that could shut down.")
        elif not som.stop_system(panic=what == "panic"):
            is_off = som.power is Power.OFF
            raise BoardError(f"The SOM in slot {number} is {'off' if is_off else 'in its download mode'}.")

    def overrun(self, number: int, count: int) -> None:
        """Let a slot's UART count lost input; raises BoardError."""
        uart = self.slots[number].uart
        if uart is None or uart.descriptor is None:
            raise BoardError(f"Slot {number} has no UART.")
        uart.overrun(count)

    def inject(self, name: str, arguments: list[str]) -> Fault:
        """Inject a fault; raises FaultError."""
        fault = self.faults.inject(name, arguments)
        self.trace.record(fault=name, **{key: value for key, value in fault.as_json().items() if key != "name"})
        return fault

    def clear(self, name: str | None) -> list[Fault]:
        """Clear faults; raises FaultError."""
        cleared = self.faults.clear(name)
        for fault in cleared:
            self.trace.record(fault=fault.name, cleared=True)
        return cleared

    def state(self) -> dict[str, Any]:
        """Return what the board looks like from the outside, ready for JSON."""
        levels, links = self.expander.pins, self.switch.links()
        return {
            "board": self.name,
            "simulated": True,
            "t": self.scheduler.monotonic(),
            "time_scale": self.scheduler.time_scale,
            "lines": {str(line): level for line, level in enumerate(levels)},
            "outputs": [line for line in self.expander.LINES if self.expander.is_output(line)],
            "slots": {
                str(number): {**slot.as_json(levels[number]), "link": links[slot.port]}
                for number, slot in self.slots.items()
            },
            "links": {str(port): mbps for port, mbps in links.items()},
            "faults": [fault.as_json() for fault in self.faults.active()],
        }

    def dump(self, chip: str) -> dict[str, list[str]]:
        """Return registers: all of the expander, of the switch the words that differ from reset."""
        if chip == "expander":
            return {f"0x{number:02X}": [f"0x{value:02X}"] for number, value in self.expander.registers().items()}
        words = self.switch.memory.differences()
        return {f"0x{address:06X}": [f"0x{word:08X}" for word in run] for address, run in words.items()}

    def new_storage(self, number: int, emmc_bytes: int) -> Storage | None:
        """Return the storage of a SOM in that slot; None where the board has no place for it."""
        return None if self.directory is None else Storage(self.directory / "disks", number, emmc_bytes)

    def _uart(self, number: int) -> Uart | None:
        if self.directory is None or number not in SLOTS_WITH_UART:
            return None
        return Uart(self.directory / f"uart-{number}")

    def _socket(self, number: int) -> Socket | None:
        return None if self._kernel is None else Socket(usb_path(number), self._kernel, self.trace.record)

    def _pin_changed(self, line: int, level: int) -> None:
        self.trace.record(line=line, level=level)
        if not self._has_mains:
            return
        if line == SWITCH_RESET_LINE:
            self.switch.set_reset_line(level)
            return
        som = self.slots[line].som
        if som is not None and not self.faults.is_active("som-ignores-line", line):
            som.line_changed(level)

    def _apply_faults(self) -> None:
        active = self.faults.active()
        self.expander.held_outside = {
            int(fault.target): int(fault.value)
            for fault in active
            if fault.name == "stuck" and fault.target is not None and fault.value is not None
        }
        self.expander.settle()
        for number, slot in self.slots.items():
            if slot.uart is not None:
                if self.faults.is_active("uart-gone", number):
                    slot.uart.unplug()
                else:
                    slot.uart.plug()
            if slot.som is not None:
                is_asked_for = self.faults.is_active("short-press-shuts-down", number)
                slot.som.press_shuts_down = slot.som.kind.press_shuts_down or is_asked_for
            if slot.usb is not None:
                slot.usb.upset(self._disk_faults(number))
        self._apply_switch_faults()

    def _disk_faults(self, number: int) -> dict[str, int | float | bool]:
        values = {
            "bad_from": self.faults.value("disk-bad-block", number),
            "unreadable_from": self.faults.value("disk-unreadable", number),
            "mb_per_s": self.faults.value("disk-slow", number),
            "lies": self.faults.is_active("disk-lies", number) or None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _apply_switch_faults(self) -> None:
        words = dict(FIRMWARE_WORDS)
        if self.faults.is_active("wrong-chip"):
            words.update(OTHER_CHIP_WORDS)
        if self.faults.is_active("switch-firmware-down"):
            words = dict.fromkeys(words, 0)
        self.switch.memory.firmware_words = words
        self.switch.busy_polls = int(self.faults.value("switch-busy") or 0)
        self.switch.low_byte_first = self.faults.is_active("switch-lsb")
