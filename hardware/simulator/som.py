"""A SOM in its slot: what it does when its reset line moves, and how it boots and shuts down.

Reaction times are nanocluster.md section 3.2; boot, link and shutdown times are plausible figures of ours [inferred].
"""

from enum import StrEnum
from functools import partial
from typing import NamedTuple, Protocol

from hardware.simulator.boot_text import SHUTDOWN_TEXT, Step, boot_script, panic_text
from hardware.simulator.clock import Action, Scheduler, Timer
from hardware.simulator.usb import BCM2711_ROM, BCM2712_ROM, GADGET, UMS, Face

#: A press shorter than this is a bounce that no power controller acts on [inferred].
SHORTEST_PRESS_SECONDS = 0.2
#: An 8 s press forces off (3.2). The controller acts a little earlier, while the button is still held [inferred].
FORCE_OFF_SECONDS = 7.5
#: rpiboot's two stages: the boot ROM leaves the bus, and comes back as a disk [inferred].
GADGET_GONE_SECONDS, GADGET_READY_SECONDS = 1.0, 2.0


class Power(StrEnum):
    """What a SOM does; Redfish's words."""

    ON = "On"
    OFF = "Off"
    POWERING_OFF = "PoweringOff"


class BootStage(StrEnum):
    """How far a SOM that is on has come; `STOPPED` is a system that hangs, has panicked or is not there to boot.

    `PEER` is a real system: how far it has come nobody here knows. `ROM` waits for boot files on USB, `STORAGE` shows
    the media there as disks, or is about to.
    """

    NONE = "none"
    BOOT_LOADER = "boot-loader"
    KERNEL = "kernel"
    LOGIN = "login"
    STOPPED = "stopped"
    PEER = "peer"
    ROM = "boot-rom"
    STORAGE = "usb-storage"


class Download(NamedTuple):
    """What a SOM does instead of booting while its BOOT button is held: after a while it shows itself on USB."""

    stage: BootStage
    face: Face
    seconds: float
    only_in_controller: bool = False


class SomKind(NamedTuple):
    """How a type of SOM behaves.

    `power_on_press_seconds` is how long the button is pressed until an off SOM starts, None for a level line.
    `press_shuts_down` tells whether a short press asks a running system for a shutdown, `latches` whether a force-off
    keeps the SOM off until the board loses power. `download` is None where the simulator has no such mode.
    """

    name: str
    link_mbps: int
    link_seconds: float
    shutdown_seconds: float
    power_on_press_seconds: float | None = None
    press_shuts_down: bool = False
    latches: bool = False
    download: Download | None = None
    emmc_bytes: int = 31_268_536_320  # sold as 32 GB
    has_nvme: bool = False


# nanocluster.md section 7; how long each takes is [inferred].
_UMS = Download(BootStage.STORAGE, UMS, 3.0, only_in_controller=True)
_ROM_2711 = Download(BootStage.ROM, BCM2711_ROM, 0.5)
_ROM_2712 = Download(BootStage.ROM, BCM2712_ROM, 0.5)

KINDS = {
    # A press of 1 s starts it, 8 s stop it; a press while it runs is [unknown] and ignored here.
    "LM3H": SomKind("LM3H", 100, 4.0, 8.0, power_on_press_seconds=0.8, download=_UMS),
    # [unknown], treated as a level reset.
    "M4N": SomKind("M4N", 1000, 5.0, 8.0, has_nvme=True),
    "CM4": SomKind("CM4", 1000, 4.0, 8.0, download=_ROM_2711, has_nvme=True),
    # Raspberry Pi OS Lite: one press shuts down, in about 12 s. After 8 s nothing starts it until power is cut.
    "CM5": SomKind(
        *("CM5", 1000, 3.0, 12.0, SHORTEST_PRESS_SECONDS),
        press_shuts_down=True,
        latches=True,
        download=_ROM_2712,
        emmc_bytes=62_537_072_640,  # sold as 64 GB
        has_nvme=True,
    ),
}


class Surroundings(Protocol):
    """What a SOM acts on: its slot."""

    def power_changed(self, power: Power) -> None:
        """The SOM is now in this power state."""

    def link_changed(self, mbps: int) -> None:
        """The SOM's network port is up at `mbps`, or down (0)."""

    def say(self, text: str) -> None:
        """The SOM writes to its UART."""

    def face_changed(self, face: Face | None) -> None:
        """The SOM shows itself on USB as this, or not at all."""

    def find_system(self) -> str | None:
        """Return the host name of the system that the SOM finds to boot; None if it finds none."""


class Som:
    """One SOM, off at first."""

    def __init__(self, kind: SomKind, hostname: str, scheduler: Scheduler, slot: Surroundings) -> None:
        self.kind = kind
        self.hostname = hostname
        self.power = Power.OFF
        self.stage = BootStage.NONE
        self.is_latched = False
        #: A real system runs on it: no boot is played, and a shutdown ends by the time that this kind takes.
        self.has_peer = False
        #: Somebody holds the BOOT button.
        self.is_boot_held = False
        #: Overrides the kind: a fault can make a short press matter.
        self.press_shuts_down = kind.press_shuts_down
        self._scheduler = scheduler
        self._slot = slot
        self._timers: list[Timer] = []
        self._press_timers: list[Timer] = []
        self._pressed_at: float | None = None
        self._starts_again = False

    def line_changed(self, level: int) -> None:
        """React to an edge of the reset line: 0 is asserted, 1 released."""
        if self.kind.power_on_press_seconds is not None:
            if level == 0:
                self._press()
            else:
                self._release()
        elif level == 0:
            self.cut()
        else:
            self.start()

    def start(self) -> None:
        """Begin to boot; nothing happens if the SOM is on already."""
        if self.power is not Power.OFF:
            return
        self.power = Power.ON
        if self.is_boot_held and self.kind.download is not None:
            self._download(self.kind.download)
        elif self.has_peer:
            self._boot(BootStage.PEER, [])
        else:
            hostname = self._slot.find_system()
            self._boot(BootStage.BOOT_LOADER, boot_script(self.kind.name, hostname), has_link=hostname is not None)

    def start_booted(self) -> None:
        """Be on, with a system that has been running for long."""
        self.power, self.stage = Power.ON, BootStage.LOGIN
        self._slot.link_changed(self.kind.link_mbps)

    def cut(self) -> None:
        """Stop at once."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        if self.stage in (BootStage.ROM, BootStage.STORAGE):
            self._slot.face_changed(None)
        self.stage = BootStage.NONE
        self._starts_again = False
        if self.power is not Power.OFF:
            self.power = Power.OFF
            self._slot.link_changed(0)
            self._slot.power_changed(self.power)

    def lose_power(self) -> None:
        """Be cut off from the supply: forget latch and press as well."""
        self.cut()
        self.forget_press()
        self.is_latched = False

    def forget_press(self) -> None:
        """End a press without its effect."""
        for timer in self._press_timers:
            timer.cancel()
        self._press_timers = []
        self._pressed_at = None

    def ask_for_shutdown(self) -> bool:
        """Let a running system shut down; return False when none runs that could."""
        if self.power is not Power.ON or self.stage not in (BootStage.LOGIN, BootStage.PEER):
            return False
        self.power = Power.POWERING_OFF
        self._slot.power_changed(self.power)
        text_of_shutdown = () if self.has_peer else SHUTDOWN_TEXT
        for number, text in enumerate(text_of_shutdown):
            self._later(self.kind.shutdown_seconds * number / len(text_of_shutdown), partial(self._slot.say, text))
        self._later(self.kind.shutdown_seconds, self._end_shutdown)
        return True

    def restart(self) -> None:
        """Let a running system shut down and boot."""
        self._starts_again = self.ask_for_shutdown()

    def take_gadget(self) -> None:
        """Let a boot ROM run the storage gadget that it was sent: it leaves the bus and comes back as a disk."""
        self.stage = BootStage.STORAGE
        self._later(GADGET_GONE_SECONDS, partial(self._slot.face_changed, None))
        self._later(GADGET_READY_SECONDS, partial(self._slot.face_changed, GADGET))

    def stop_system(self, panic: bool) -> bool:
        """Make the system hang or panic; its link stays up. Return False when none runs."""
        if self.power is Power.OFF or self.stage in (BootStage.ROM, BootStage.STORAGE):
            return False
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        self.stage = BootStage.STOPPED
        if self.power is not Power.ON:
            self.power = Power.ON
            self._slot.power_changed(self.power)
        if panic:
            self._slot.say(panic_text())
        return True

    def _press(self) -> None:
        self.forget_press()
        self._pressed_at = self._scheduler.now()
        power_on_seconds = self.kind.power_on_press_seconds
        assert power_on_seconds is not None
        self._press_timers = [
            self._scheduler.call_later(power_on_seconds, self._start_by_press),
            self._scheduler.call_later(FORCE_OFF_SECONDS, self._force_off),
        ]

    def _start_by_press(self) -> None:
        if self.power is Power.OFF and not self.is_latched:
            self.start()

    def _force_off(self) -> None:
        self.is_latched = self.kind.latches
        self.cut()

    def _release(self) -> None:
        if self._pressed_at is None:
            return
        held_seconds = self._scheduler.now() - self._pressed_at
        self.forget_press()
        if held_seconds < SHORTEST_PRESS_SECONDS or not self.press_shuts_down:
            return
        if self.power is Power.POWERING_OFF:
            # The trap of nanocluster.md 3.2: a press during a shutdown may start the SOM again. Here it does.
            self._starts_again = True
        else:
            # A press that started or stopped the SOM ends here, too, and finds no system that could hear it.
            self.ask_for_shutdown()

    def _download(self, download: Download) -> None:
        self.stage = download.stage
        self._slot.power_changed(self.power)
        self._later(download.seconds, partial(self._slot.face_changed, download.face))

    def _boot(self, stage: BootStage, script: list[Step], has_link: bool = True) -> None:
        self.stage = stage
        self._slot.power_changed(self.power)
        for seconds, step_stage, text in script:
            self._later(seconds, partial(self._boot_step, BootStage(step_stage), text))
        if has_link:
            self._later(self.kind.link_seconds, partial(self._slot.link_changed, self.kind.link_mbps))

    def _boot_step(self, stage: BootStage, text: str) -> None:
        self.stage = stage
        self._slot.say(text)

    def _end_shutdown(self) -> None:
        starts_again = self._starts_again
        self.cut()
        if starts_again:
            self.start()

    def _later(self, seconds: float, action: Action) -> None:
        self._timers.append(self._scheduler.call_later(seconds, action))
