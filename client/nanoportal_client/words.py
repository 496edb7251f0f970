"""How values are written and read on a command line: tables, sizes, times, lengths of time, slots. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from nanoportal_client.problems import printable

GAP = "  "
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> str:
    """Rows under their heads, columns as wide as needed; `empty` says that there are none."""
    lines = [list(heads), *([printable("" if cell is None else cell) for cell in row] for row in rows)]
    if len(lines) == 1:
        return empty
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def moment(text: str | None) -> str:
    """A time of the API in local time, to the second; "" for none."""
    if not text:
        return ""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def read_name(text: str, what: str) -> str:
    """A board's name, an id or a token's prefix, as it may stand in an address. Raises ValueError."""
    if re.fullmatch(r"\w[\w-]*", text) is None:
        raise ValueError(f"{text!r} is no {what}")
    return text


def size(count: float | None) -> str:
    """Bytes in words, like `1.4 GB`."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def read_length(text: str) -> float:
    """Seconds of `90`, `30s`, `10m`, `2h`, `1d` or several of them, as `1h30m`. Raises ValueError."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no length of time; say 90, 30s, 10m, 2h or 1d")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def read_moment(text: str, now: datetime) -> datetime:
    """A time with its zone: `18:00` (the next one), `2026-11-24`, `2026-11-24 18:00` (local), ISO 8601 with a zone.
    Raises ValueError."""
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            hour, minute = map(int, text.split(":"))
            today = now.astimezone().replace(hour=hour, minute=minute, second=0, microsecond=0)
            return today if today > now else today + timedelta(days=1)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; say 18:00, 2026-11-24 18:00 or 2026-11-24T18:00:00Z") from None
    return found if found.tzinfo else found.astimezone()


def zulu(when: datetime) -> str:
    """A time as the API takes it."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_slots(words: Iterable[str]) -> list[tuple[str, int]]:
    """Boards and slots of `3`, `2-4`, `2,5`, `demo/3`, each once, in the order given; the board is "" where none is
    named. Raises ValueError."""
    found: dict[tuple[str, int], None] = {}
    for word in words:
        board, _, numbers = word.rpartition("/")
        if board:
            read_name(board, "board")
        for part in numbers.removeprefix("slot:").split(","):
            match = re.fullmatch(r"([1-9]\d?)(?:-([1-9]\d?))?", part)
            if match is None:
                raise ValueError(f"{word!r} is no slot; say 3, 2-4, 2,5 or board/3")
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                raise ValueError(f"{word!r} goes backwards; say {last}-{first}")
            found |= dict.fromkeys((board, number) for number in range(first, last + 1))
    return list(found)
