"""Escape sequences and control characters in what a SOM prints (pure).

Whatever a UART says may end in somebody's terminal: a download, a line of search results, a name of a boot stage.
`Plain` lets none of it through, `Safe` lets through what draws on a screen and nothing that a terminal answers, keeps
or shows outside of its screen. Both take text in pieces of any size; where it is cut makes no difference.

A sequence ends at the next control character if it did not end before. So no sequence holds a line feed, every line
can be read for itself, and a title that never ends hides one line at most.
"""

import re

_BODY = r"[^\x00-\x1f\x7f-\x9f]*"  # of a string: OSC, DCS, SOS, PM, APC
_STRING_END = r"(?:\x07|\x9c|\x1b\\)"
_PARAMETERS = r"[0-?]{0,60}[ -/]{0,3}"
# What may follow the control character that begins a sequence. All patterns begin with a class of characters and look
# back at which it was: between two of them, `re` then runs through a text ten times as fast.
_AFTER = (
    rf"(?:(?<=\x1b)(?:[\]PX^_]{_BODY}{_STRING_END}?|\[{_PARAMETERS}[@-~]|[ -/]{{0,3}}[0-~])"
    rf"|(?<=[\x90\x98\x9d-\x9f]){_BODY}{_STRING_END}?|(?<=\x9b){_PARAMETERS}[@-~])?"
)
_UNFINISHED = re.compile(
    r"[\x1b\x90\x98\x9b\x9d-\x9f]"
    rf"(?:(?P<string>(?:(?<=\x1b)[\]PX^_]|(?<=[\x90\x98\x9d-\x9f])){_BODY}\x1b?)"
    rf"|(?<=\x1b)(?:\[{_PARAMETERS}|[ -/]{{0,3}})|(?<=\x9b){_PARAMETERS})\Z"
)
_REST_OF_STRING = re.compile(rf"{_BODY}(?P<end>{_STRING_END})?")

# What goes, with the sequence that it begins: all but tab and line ends; all but those and backspace.
_NOT_LINES = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]{_AFTER}")
_UNSAFE = re.compile(rf"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]{_AFTER}")
_LINE_END = re.compile(r"\r+\n?")

# What draws: cursor, erase, insert and delete, scroll, tabs, colours, save and restore.
_DRAWING = re.compile(r"\x1b(?:\[[0-9;:]*[@A-HJ-MPSTXZa`defgmrsu]|[78DEHMc]|[()][0AB])")
# Modes that change the screen only: wrap, cursor, second screen. Not the mouse, nor what is sent for a paste.
_SCREEN_MODE = re.compile(r"\x1b\[(?:[47]|20|\?(?:7|25|47|1047|1048|1049))[hl]")


def plain(text: str) -> str:
    """`text` without any sequence or control character but tab and line feed, whose number stays the same."""
    return _NOT_LINES.sub("", text).replace("\r\n", "\n").replace("\r", " ")


class _Pieces:
    """Takes text in pieces, holds back a sequence that has only begun, and hands whole ones to `_pass`."""

    def __init__(self) -> None:
        self._held = ""
        self._in_string = False

    def feed(self, text: str) -> str:
        """The next piece; returns what may be shown of it now. A sequence that never ends is never shown."""
        text, self._held = self._held + text, ""
        if self._in_string:
            text = self._skip_string(text)
        unfinished = _UNFINISHED.search(text)
        if unfinished:
            self._in_string = unfinished["string"] is not None
            # Of a string nothing is kept but what may be the first half of its end.
            self._held = ("\x1b" if text.endswith("\x1b") else "") if self._in_string else unfinished[0]
            text = text[: unfinished.start()]
        return self._pass(text)

    def _skip_string(self, text: str) -> str:
        rest = _REST_OF_STRING.match(text)
        assert rest is not None, "it matches the empty text as well"
        after = text[rest.end() :]
        if not rest["end"] and after in ("", "\x1b"):
            self._held = after
            return ""
        self._in_string = False
        return after

    def _pass(self, text: str) -> str:
        raise NotImplementedError


class Plain(_Pieces):
    """Text alone: no sequence, no control character but tab and line feed. A carriage return ends a line as well."""

    def __init__(self) -> None:
        super().__init__()
        self._after_return = False

    def _pass(self, text: str) -> str:
        text = _NOT_LINES.sub("", text)
        if self._after_return and text:
            text = text.lstrip("\r")
            self._after_return = not text
            text = text.removeprefix("\n")
        self._after_return = self._after_return or text.endswith("\r")
        return _LINE_END.sub("\n", text)


class Safe(_Pieces):
    """What draws on a screen and nothing else: for players and terminals that are not ours."""

    def _pass(self, text: str) -> str:
        return _UNSAFE.sub(_keep_drawing, text)


def _keep_drawing(found: re.Match[str]) -> str:
    sequence = found[0].replace("\x9b", "\x1b[", 1)
    return sequence if _DRAWING.fullmatch(sequence) or _SCREEN_MODE.fullmatch(sequence) else ""
