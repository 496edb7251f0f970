"""How far a SOM has come is read from what it prints, however that is cut, coloured or repeated."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consoles.stages import BOOT_LOADER, CONTAINS, ENDS, HALT, KERNEL, LOGIN, PANIC, SHIPPED, STARTS, Rule, StageMatcher

U_BOOT = b"\r\n\r\nU-Boot 2023.01+dfsg-2 (Dec 22 2022)\r\n\r\nDRAM:  64 MiB\r\n"
LINUX = (
    b"[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\r\n"
    b"[    0.000000] Linux version 6.1.0-13-arm64 (debian-kernel@lists.debian.org)\r\n"
    b"[    0.412345] usb 1-1: new device\r\n"
)
PROMPT = b"\r\nDebian GNU/Linux 12 heron ttyS0\r\n\r\nheron login: "
OOPS = b"[    2.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
END = b"[   99.100000] reboot: Power down\r\n"


class Console:
    """A console that prints, and what was seen of it; a pause long enough follows each text."""

    def __init__(self, rules=SHIPPED) -> None:
        self.matcher = StageMatcher(rules)
        self.at = 0.0
        self.seen: list = []

    def prints(self, *texts: bytes, after: float = 1.0) -> "Console":
        for text in texts:
            self.at += after
            self.seen += self.matcher.feed(text, self.at)
        return self

    def waits(self, seconds: float = 1.0) -> "Console":
        self.at += seconds
        self.seen += self.matcher.feed(b"", self.at)
        return self

    def stages(self) -> list[str]:
        return [seen.stage for seen in self.seen]


def test_a_boot_is_seen_from_boot_loader_to_login_and_timed_from_its_first_stage():
    console = Console().waits(60).prints(U_BOOT).prints(LINUX, after=3).prints(PROMPT, after=20).waits()
    assert console.stages() == [BOOT_LOADER, KERNEL, LOGIN]
    assert [seen.boot_seconds for seen in console.seen] == [0, 3, 23]
    assert [seen.words for seen in console.seen] == [
        "boot loader started: U-Boot 2023.01+dfsg-2 (Dec 22 2022)",
        "kernel started",
        "login prompt seen; boot took 23 s",
    ]
    assert console.seen[-1].at == 84, "the moment of the prompt, not of the look at it"


def test_without_a_boot_loader_the_kernel_begins_the_boot():
    console = Console().prints(LINUX).prints(PROMPT, after=1.4).waits()
    assert console.seen[-1].words == "login prompt seen; boot took 1.4 s"


def test_a_boot_that_was_not_seen_from_its_beginning_has_no_duration():
    console = Console().prints(PROMPT).waits()
    assert (console.seen[0].words, console.seen[0].boot_seconds) == ("login prompt seen", None)


FIRMWARE = {
    "U-Boot's first part": b"U-Boot SPL 2024.01 (Jan 08 2024)\n",
    "Arm Trusted Firmware": b"NOTICE:  BL31: v2.8(release)\n",
    "Raspberry Pi 4's EEPROM": b"RPi: BOOTLOADER release VERSION:8ba17717 DATE: 2023/01/11\n",
    "Raspberry Pi 5's EEPROM": b"RPi: BOOTSYS release VERSION:4b019f0e DATE: 2024/02/16\n",
    "Raspberry Pi's second stage": b"MESS:00:00:01.262018:0: arasan: arasan_emmc_open\n",
}


@pytest.mark.parametrize("line", FIRMWARE.values(), ids=FIRMWARE)
def test_the_boot_loaders_of_the_board_are_known(line):
    assert Console().prints(b"\r\n" + line).stages() == [BOOT_LOADER]


def test_several_boot_loaders_after_another_are_one_boot():
    chatter = [b"MESS:00:00:0%d.162018:0: arasan_emmc_open\n" % second for second in range(9)]
    console = Console().prints(*FIRMWARE.values(), *chatter, U_BOOT, LINUX).prints(PROMPT).waits()
    assert console.stages() == [BOOT_LOADER, KERNEL, LOGIN]
    assert console.seen[-1].boot_seconds == 16


def test_a_reset_at_the_boot_loaders_prompt_is_another_boot():
    console = Console().prints(U_BOOT, b"=> reset\r\n", U_BOOT)
    assert console.stages() == [BOOT_LOADER, BOOT_LOADER]
    assert console.seen[1].boot_seconds == 0


@pytest.mark.parametrize("again", [U_BOOT + LINUX, LINUX], ids=["with a boot loader", "without"])
def test_a_loss_of_power_in_the_middle_of_anything_is_another_boot(again):
    console = Console().prints(LINUX, PROMPT).waits().prints(b"root\r\nroot@heron:~# ").prints(again, PROMPT).waits()
    assert console.stages()[-2:] == [KERNEL, LOGIN]
    assert console.seen[-1].boot_seconds == 1


def test_a_panic_and_a_halt_are_seen_once_and_again_when_they_happen_again():
    console = Console().prints(LINUX, OOPS, b"---[ end Kernel panic - not syncing: VFS: Unable ]---\r\n")
    assert console.stages() == [KERNEL, PANIC]
    assert console.seen[1].words.startswith("panic: Kernel panic - not syncing: VFS: Unable to mount root fs")
    assert console.prints(OOPS, after=60).stages() == [KERNEL, PANIC, PANIC]
    console = Console().prints(PROMPT).waits().prints(END)
    assert (console.stages(), console.seen[1].words) == ([LOGIN, HALT], "halted: reboot: Power down")


@pytest.mark.parametrize("pieces", [[b"dmesg\r\n" + LINUX], [b"d", b"mesg", b"\r\n" + LINUX], [b"dmesg\r\n", LINUX]])
def test_a_log_that_somebody_reads_is_no_boot(pieces):
    console = Console().prints(LINUX, PROMPT).waits().prints(b"root\r\n# ").waits()
    for piece in pieces:
        console.prints(piece, after=0.05 if piece is LINUX else 1.0)
    assert console.waits().stages() == [KERNEL, LOGIN]


def test_a_prompt_is_what_waits_for_input_and_not_what_goes_on():
    console = Console().prints(b"Last login:").prints(b" Tue Nov 17 09:12:01 on ttyS0\r\n$ ", after=0.05).waits()
    assert console.stages() == []
    console = Console().prints(b"heron lo", b"gin", b":", b" \x1b[0m", after=0.01).waits()
    assert console.stages() == [LOGIN]
    assert console.waits().prints(b"\r\n\r\nheron login: ").waits().stages() == [LOGIN], "the same boot"


def test_a_prompt_is_seen_with_the_next_bytes_if_nobody_asks_before():
    console = Console().prints(PROMPT, b"root\r\n")
    assert (console.stages(), console.seen[0].at) == ([LOGIN], 1.0)


ALL = b"".join([U_BOOT, LINUX, b"\x1b[31mKernel\x1b[0m panic \x1b]0;t\x07- not syncing: x\r\n", U_BOOT])


@given(st.lists(st.integers(1, len(ALL) - 1), max_size=20))
@settings(max_examples=200, deadline=None)
def test_where_reads_are_cut_and_what_is_coloured_makes_no_difference(cuts):
    bounds = [0, *sorted(cuts), len(ALL)]
    console = Console()
    for begin, end in pairwise(bounds):
        console.prints(ALL[begin:end], after=0.001)
    assert console.stages() == [BOOT_LOADER, KERNEL, PANIC, BOOT_LOADER]


def test_a_rule_looks_where_it_says():
    rules = [Rule(KERNEL, STARTS, "go"), Rule(PANIC, CONTAINS, "bad"), Rule(LOGIN, ENDS, "ok>")]
    assert Console(rules).prints(b"we go\n", b"ok> and on\n").stages() == []
    assert Console(rules).prints(b"go on\n", b"too bad, really\n", b"it is ok> \n").stages() == [KERNEL, PANIC, LOGIN]
    assert Console([]).prints(ALL).stages() == []


def test_a_megabyte_without_an_end_of_line_takes_no_memory_and_hides_nothing():
    console = Console([Rule(PANIC, CONTAINS, "needle"), Rule(KERNEL, STARTS, "xxx needle")])
    for _ in range(1024):
        console.prints(b"x" * 1024, after=0.001)
    assert len(console.matcher._line) <= 512
    console.prints(b"x nee", b"dle" + b"x" * 5000, after=0.001)
    assert console.stages() == [PANIC], "and what is in the middle of a line does not start it"


def test_a_flood_takes_little_of_the_daemons_time():
    """Seven lines of 921600 baud are 645 KB a second; on this machine that must take a small part of a second."""
    text = b"[   12.345678] usb 1-1.2: new high-speed USB device number 7 using xhci_hcd\r\n" * 55
    console = Console()
    began = time.process_time()
    for _ in range(160):  # 0.66 MB
        console.prints(text, after=0.005)
    assert time.process_time() - began < 0.5


def test_garbage_is_read_without_complaint():
    console = Console().prints(bytes(range(256)) * 100, b"\xff\xfe\x9d\x1b]", U_BOOT)
    assert console.waits().stages() == [BOOT_LOADER]


def test_a_clock_that_is_set_makes_no_boot_of_years():
    console = Console().prints(LINUX)
    console.at += 10 * 365 * 86400
    assert console.prints(PROMPT).waits().seen[-1].words == "login prompt seen"
