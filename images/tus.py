"""The words of tus 1.0, the protocol of resumable uploads: its headers, read and written (pure).

Supported: the core, creation, expiration, termination and checksum. The size must be known when an upload is created,
since room for it is reserved then. Source: https://tus.io/protocols/resumable-upload
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from operations.refusals import BadRequest, UnsupportedMedia, WrongVersion

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination,checksum"
CHUNK_TYPE = "application/offset+octet-stream"
# The web server keeps a request's body in memory and refuses more than 9 MiB of it.
MOST_CHUNK_BYTES = 8 * 1024 * 1024
MOST_METADATA_LETTERS = 96 * 1024


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


DIGESTS: dict[str, Callable[[], Digest]] = {
    "sha256": hashlib.sha256,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}


@dataclass(frozen=True)
class Checksum:
    """What a chunk must hash to."""

    algorithm: str
    expected: bytes

    def start(self) -> Digest:
        return DIGESTS[self.algorithm]()


def check_version(headers: Mapping[str, str]) -> None:
    """Raise `WrongVersion` unless the client speaks ours."""
    if headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion(f"This portal speaks tus {VERSION}; the request must say so in Tus-Resumable.")


def check_chunk_type(headers: Mapping[str, str]) -> None:
    """Raise `UnsupportedMedia` unless the body is a chunk."""
    if headers.get("Content-Type") != CHUNK_TYPE:
        raise UnsupportedMedia(f"A chunk's Content-Type is {CHUNK_TYPE}.")


def number(headers: Mapping[str, str], name: str) -> int:
    """A header that must be there and be a whole number of at least 0. Raises `BadRequest`."""
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f"The header {name} must be a whole number.", code="bad-header")
    return int(text)


def metadata(text: str) -> dict[str, str]:
    """`filename d29ybGQ=,sha256 OWIx...` as names and texts. Raises `BadRequest`."""
    if len(text) > MOST_METADATA_LETTERS:
        raise BadRequest("Upload-Metadata is too long.", code="bad-header")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        if key in found:
            raise BadRequest(f"Upload-Metadata names {key} twice.", code="bad-header")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except ValueError:
            raise BadRequest(f"Upload-Metadata: {key} is not base64 of UTF-8.", code="bad-header") from None
    return found


def metadata_of(values: Mapping[str, str]) -> str:
    """The header that `metadata` reads."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def checksum(text: str | None) -> Checksum | None:
    """`sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=` of an Upload-Checksum header; None without one. Raises `BadRequest`."""
    if text is None:
        return None
    algorithm, _, value = text.strip().partition(" ")
    if algorithm not in DIGESTS:
        raise BadRequest(f"Upload-Checksum takes {', '.join(DIGESTS)}.", code="bad-header")
    try:
        return Checksum(algorithm, base64.b64decode(value, validate=True))
    except ValueError:
        raise BadRequest("Upload-Checksum is not base64.", code="bad-header") from None
