"""The escape key of a console: what is typed is told apart into keys for the line and words to us. Pure.

Ctrl-] and then a letter, as in telnet. Ctrl-] twice types one.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from nanoportal_client.problems import printable

ESCAPE = 0x1D  # Ctrl-]
ENTER, BACKSPACE = (0x0D, 0x0A), (0x08, 0x7F)
CTRL_C, ESC, BRACKET = 0x03, 0x1B, 0x5B  # an arrow key is Esc, [ and more, which is not for the line either
REASON_LETTERS = 300  # the portal takes no more

MENU = """Ctrl-] and then
  q  leave                       t  take the keyboard
  b  send a break                o  take it over from whoever has it
  s  break and a key (SysRq)     r  give it back
  w  who is here                 ]  type Ctrl-] itself"""


@dataclass(frozen=True)
class Keys:
    """For the line."""

    data: bytes


@dataclass(frozen=True)
class Word:
    """For us: "quit", "take", "take-over" (with the reason in `text`), "release", "break", "sysrq" (with its key in
    `text`), "who", "help"; "say" is something to show, "echo" something to show as it is."""

    kind: str
    text: str = ""


LETTERS = {"q": "quit", ".": "quit", "t": "take", "r": "release", "b": "break", "w": "who"}


class Escapes:
    """Reads what is typed, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._state = "plain"
        self._reason = ""
        self._letters = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> Iterator[Keys | Word]:
        """What the next bytes mean, in order."""
        while data:
            if self._state == "plain":
                keys, escape, data = data.partition(bytes([ESCAPE]))
                if keys:
                    yield Keys(keys)
                if escape:
                    self._state = "command"
                continue
            letter, data = data[0], data[1:]
            if self._state == "command":
                yield self._command(letter)
            elif self._state == "sysrq":
                self._state = "plain"
                yield self._sysrq(letter)
            elif self._state == "given-up":
                self._state = "arrow" if letter == BRACKET else "plain"
                data = data if letter == BRACKET else bytes([letter]) + data
            elif self._state == "arrow":
                self._state = "plain" if 0x40 <= letter <= 0x7E else "arrow"
            else:
                yield from self._type_reason(letter)

    def _command(self, letter: int) -> Keys | Word:
        self._state = "plain"
        if letter == ESCAPE or chr(letter) == "]":
            return Keys(bytes([ESCAPE]))
        key = chr(letter).lower()
        if key == "s":
            self._state = "sysrq"
            return Word("say", "SysRq: which key? h lists them.")
        if key == "o":
            self._state = "reason"
            self._reason = ""
            self._letters.reset()
            return Word("echo", "Take over the keyboard; why? ")
        return Word(LETTERS.get(key, "help"))

    def _sysrq(self, letter: int) -> Word:
        if 0x21 <= letter <= 0x7E:
            return Word("sysrq", chr(letter))
        return Word("say", "No SysRq was sent: its key is a letter, a digit or a sign.")

    def _type_reason(self, letter: int) -> Iterator[Word]:
        if letter in ENTER:
            self._state = "plain"
            yield Word("echo", "\n")
            yield Word("take-over", self._reason[:REASON_LETTERS].strip())
        elif letter in (CTRL_C, ESC):
            self._state = "given-up" if letter == ESC else "plain"
            yield Word("say", "The keyboard stays where it is.")
        elif letter in BACKSPACE:
            if self._reason:
                self._reason = self._reason[:-1]
                yield Word("echo", "\b \b")
        elif whole := self._letters.decode(bytes([letter])):
            self._reason += whole
            yield Word("echo", printable(whole))
