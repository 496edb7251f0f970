"""A sha256 as people have it: bare, or in the file that lies beside a download (pure)."""

import re

from operations.refusals import BadRequest

BARE = re.compile(r"[0-9a-fA-F]{64}")
GNU = re.compile(r"\\?([0-9a-fA-F]{64}) [ *](.+)")  # sha256sum
BSD = re.compile(r"SHA256 ?\((.+)\) ?= ?([0-9a-fA-F]{64})")  # sha256sum --tag, openssl
MOST_LETTERS = 64 * 1024


def parse_sha256(text: str, file_name: str) -> str:
    """The hash that `text` gives for `file_name`, in lower case; "" for an empty text.

    Takes the bare hash, or a file of lines as `sha256sum` writes them. A file of several lines must name the file; a
    single line counts whatever name it has, since files get renamed. Raises `BadRequest`.
    """
    lines = [line.strip() for line in text[:MOST_LETTERS].splitlines() if line.strip() and not line.startswith("#")]
    found = dict(filter(None, map(_entry, lines)))
    if not lines:
        return ""
    if not found:
        raise BadRequest("The sha256 is not one: 64 hexadecimal digits are expected.", code="bad-sha256")
    if len(found) == 1:
        return next(iter(found.values()))
    if file_name not in found:
        raise BadRequest(f"The checksum file does not name {file_name}.", code="bad-sha256")
    return found[file_name]


def _entry(line: str) -> tuple[str, str] | None:
    """(file name without its folder, hash) of one line."""
    if BARE.fullmatch(line):
        return "", line.lower()
    if match := GNU.fullmatch(line):
        return match[2].rpartition("/")[2], match[1].lower()
    if match := BSD.fullmatch(line):
        return match[1].rpartition("/")[2], match[2].lower()
    return None
