"""How far a SOM has come, read from what it prints: boot loader, kernel, login prompt, panic, halt (pure).

A rule is a text that a line contains, starts or ends with; no patterns, so that no rule can be slow. A line is judged
when it ends, or when it stands still: a prompt waits for input at the end of a line that never ends.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from consoles.escapes import Plain

BOOT_LOADER, KERNEL, LOGIN, PANIC, HALT = "boot-loader", "kernel", "login", "panic", "halt"
CONTAINS, STARTS, ENDS = "contains", "starts", "ends"

STANDSTILL_SECONDS = 0.2  # nothing more came for this long: what stands there is judged as it is
AGAIN_SECONDS = 30.0  # a panic and a halt say themselves several times
LONGEST_BOOT_SECONDS = 3600.0  # more than that is a clock that was set, not a boot
LONGEST_LINE = 512  # of more, the end is judged; longer than any rule's text
EXCERPT = 80
LINES_KEPT = 256
_ORDER = {BOOT_LOADER: 0, KERNEL: 1, LOGIN: 2}
_WORDS = {BOOT_LOADER: "boot loader started", KERNEL: "kernel started", PANIC: "panic", HALT: "halted"}


@dataclass(frozen=True)
class Rule:
    """`text` at that place of a line (`match`: contains, starts, ends) shows that `stage` was reached."""

    stage: str
    match: str
    text: str

    def fits(self, line: str, *, from_start: bool) -> bool:
        """Whether it fits `line`, of which the beginning may be missing."""
        if self.match == ENDS:
            return line.rstrip().endswith(self.text.rstrip())
        if self.match == STARTS:
            return from_start and line.lstrip().startswith(self.text)
        return self.text in line


#: What comes with the portal, for every type of SOM: no text here is printed by a SOM of another kind.
SHIPPED = (
    Rule(BOOT_LOADER, STARTS, "U-Boot SPL "),
    Rule(BOOT_LOADER, STARTS, "U-Boot 20"),
    Rule(BOOT_LOADER, STARTS, "NOTICE:  BL"),  # Arm Trusted Firmware, before U-Boot
    Rule(BOOT_LOADER, STARTS, "RPi: BOOT"),  # Raspberry Pi: its EEPROM, with BOOT_UART=1
    Rule(BOOT_LOADER, STARTS, "MESS:00:00:0"),  # Raspberry Pi: start4.elf, with uart_2ndstage=1
    Rule(KERNEL, CONTAINS, "Starting kernel ..."),
    Rule(KERNEL, CONTAINS, "[    0.000000] Booting Linux on physical CPU"),
    Rule(KERNEL, CONTAINS, "[    0.000000] Linux version "),
    Rule(LOGIN, ENDS, "login:"),
    Rule(PANIC, CONTAINS, "Kernel panic - not syncing"),
    Rule(HALT, CONTAINS, "reboot: Power down"),
    Rule(HALT, CONTAINS, "reboot: System halted"),
    Rule(HALT, CONTAINS, "reboot: Restarting system"),
)


@dataclass(frozen=True)
class Seen:
    """A stage that was reached `at` (unix seconds), in words; `boot_seconds` after the first stage of that boot, if
    the boot was seen from its beginning."""

    stage: str
    at: float
    words: str
    boot_seconds: float | None


class StageMatcher:
    """Reads one console. Memory is bounded whatever comes; reads may be cut anywhere, sequences inside a line do not
    hide a text, and a text that stays on the screen is seen once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, rule.text.rstrip() if rule.match == ENDS else rule.text) for rule in rules]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._plain = Plain()
        self._line = ""
        self._from_start = True
        self._judged: set[Rule] = set()  # of the line that has not ended
        self._at = float("-inf")  # of the newest data
        self._stands_still = False
        self._boot = _Boot()

    def feed(self, data: bytes, at: float) -> list[Seen]:
        """The bytes that came `at` (unix seconds); returns what they show. Call it with b"" some times a second, or
        a prompt is seen only when the next bytes come. Does not block, never raises."""
        seen = self._standstill(at) if at - self._at >= STANDSTILL_SECONDS else []
        if data:
            self._at, self._stands_still = at, False
            seen += self._read(self._plain.feed(self._decoder.decode(data)))
        return seen

    def _standstill(self, now: float) -> list[Seen]:
        if self._stands_still:
            return []
        self._stands_still = True
        self._boot.pause()
        return self._judge(self._line) if self._line else []

    def _read(self, text: str) -> list[Seen]:
        text = self._line + text
        seen: list[Seen] = []
        if any(needle in text for _, needle in self._rules):
            *ended, last = text.split("\n")
            for line in ended:
                seen += self._judge(line)
                self._end_line(1)
            if len(last) > LONGEST_LINE:
                seen += self._judge(last)
        else:
            last = text[text.rfind("\n") + 1 :]
            if len(last) < len(text):
                self._end_line(text.count("\n"))
        self._from_start = self._from_start and len(last) <= LONGEST_LINE
        self._line = last[-LONGEST_LINE:]
        return seen

    def _end_line(self, count: int) -> None:
        self._judged.clear()
        self._from_start = True
        self._boot.lines += count

    def _judge(self, line: str) -> list[Seen]:
        seen = []
        for rule, needle in self._rules:
            if needle in line and rule not in self._judged and rule.fits(line, from_start=self._from_start):
                self._judged.add(rule)
                found = self._boot.see(rule, line[line.find(needle) :], self._at)
                if found:
                    seen.append(found)
        return seen


class _Boot:
    """Which stage was reached last, and when the boot that it belongs to began."""

    def __init__(self) -> None:
        self.lines = 0  # since the last pause
        self._stage = ""
        self._seen_at = 0.0
        self._began: float | None = None
        self._lines: set[str] = set()  # those that showed stages of this boot
        self._log_is_shown = False

    def pause(self) -> None:
        self.lines = 0
        self._log_is_shown = False

    def see(self, rule: Rule, excerpt: str, at: float) -> Seen | None:
        """What it means that `rule` fits now; None if that was known."""
        if rule.stage == KERNEL and self._is_log():
            return None
        if rule.stage in _ORDER:
            if not self._advance(rule.stage, excerpt[:EXCERPT], at):
                return None
        elif rule.stage == self._stage and abs(at - self._seen_at) < AGAIN_SECONDS:
            return None
        self._stage, self._seen_at = rule.stage, at
        seconds = None if self._began is None else at - self._began
        if seconds is not None and not 0 <= seconds <= LONGEST_BOOT_SECONDS:
            seconds = None
        return Seen(rule.stage, at, _words(rule.stage, excerpt, seconds), seconds)

    def _is_log(self) -> bool:
        """Whether it is a running system that shows its kernel's log: the kernel's first line comes right after a
        command, without the pause that a reset makes."""
        self._log_is_shown = self._log_is_shown or (self._stage == LOGIN and 1 <= self.lines <= 2)
        return self._log_is_shown

    def _advance(self, stage: str, line: str, at: float) -> bool:
        """Take in a stage of a boot; a stage that comes before the last one, or the very line again, is another boot.
        Returns whether the stage is new."""
        order = _ORDER.get(self._stage, len(_ORDER))
        again = line in self._lines and stage != LOGIN
        if _ORDER[stage] < order or again:
            self._began = None if stage == LOGIN else at
            self._lines = {line}
            return True
        if len(self._lines) < LINES_KEPT:
            self._lines.add(line)
        return stage != self._stage


def _words(stage: str, excerpt: str, seconds: float | None) -> str:
    if stage == LOGIN:
        if seconds is None:
            return "login prompt seen"
        return f"login prompt seen; boot took {seconds:.{0 if seconds >= 10 else 1}f} s"
    words = _WORDS[stage]
    return words if stage == KERNEL else f"{words}: {excerpt.strip()[:EXCERPT]}"
