"""Uploads of image files by tus 1.0, taken up again where they broke.

An unfinished upload is known again by the hash of the whole file, which the portal keeps with it: a file that was
changed meanwhile is never continued.
"""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nanoportal_client.problems import Exit, Problem
from nanoportal_client.timing import Clock

if TYPE_CHECKING:
    from nanoportal_client.portal import Portal

CHUNK_BYTES = 8 * 1024 * 1024  # the most that the portal takes at once
VERSION = {"Tus-Resumable": "1.0.0"}
CHUNK_TYPE = "application/offset+octet-stream"
TRIES = 8  # without any progress
PAUSE_SECONDS = 2.0
UPLOADS = "/images/uploads"
#: What a chunk's refusal does not end: another one is being written, or one arrived whose answer did not.
GO_ON = {"upload-busy", "wrong-offset", "client-left", "checksum-mismatch"}

Progress = Callable[[int], None]


@dataclass(frozen=True)
class File:
    """A file to be sent: what it is called there, how long it is, what it hashes to."""

    path: Path
    name: str
    size: int
    sha256: str


def measure(path: Path, done: Progress) -> File:
    """Read the whole file; `done` is told how many bytes have been. Raises `Problem`."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            while piece := stream.read(CHUNK_BYTES):
                digest.update(piece)
                done(len(piece))
    except OSError as error:
        raise Problem(Exit.USAGE, f"{path} cannot be read: {error.strerror}.") from error
    return File(path, path.name, size, digest.hexdigest())


def unfinished(portal: "Portal", file: File) -> str:
    """The id of an upload of just this file that was begun and not ended; "" for none."""
    for row in portal.get(UPLOADS)["uploads"]:
        if (row["file_name"], row["size_bytes"], row["state"]) != (file.name, file.size, "receiving"):
            continue
        try:
            said = portal.send("HEAD", f"{UPLOADS}/{row['id']}", headers=VERSION).headers
        except Problem as problem:
            if problem.exit_code in (Exit.NOT_PERMITTED, Exit.NOT_THERE):  # somebody else's, or just ended
                continue
            raise
        if _metadata(said.get("Upload-Metadata", "")).get("sha256") == file.sha256:
            return str(row["id"])
    return ""


def begin(portal: "Portal", file: File) -> str:
    """Begin an upload; its id, which the image will have, too. Raises `Problem`."""
    said = {"filename": file.name, "sha256": file.sha256}
    words = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
    headers = {**VERSION, "Upload-Length": str(file.size), "Upload-Metadata": words}
    answer = portal.send("POST", UPLOADS, headers=headers, acts=True, repeats=False)
    return answer.headers["Location"].rpartition("/")[2]


def give_block_map(portal: "Portal", upload: str, text: bytes) -> None:
    """Send the file's block map, before its last byte."""
    portal.send("PUT", f"{UPLOADS}/{upload}/bmap", content=text, acts=True)


def send(portal: "Portal", upload: str, file: File, reached: int, done: Progress, clock: Clock) -> None:
    """Send what is missing from byte `reached` on, chunk by chunk; `done` is told how many more have arrived.

    Raises `Problem` when nothing moves any more; the same command goes on later.
    """
    tries = 0
    with open(file.path, "rb") as stream:
        while reached < file.size:
            try:
                now = _send_chunk(portal, upload, stream, reached)
            except Problem as problem:
                tries += 1
                lasting = problem.exit_code not in (Exit.UNREACHABLE, Exit.UNKNOWN) and problem.code not in GO_ON
                if lasting or tries >= TRIES:
                    raise
                clock.sleep(PAUSE_SECONDS)
                now = _offset_or(reached, portal, upload)
            if now > reached:
                tries = 0
                done(now - reached)
            reached = now


def _send_chunk(portal: "Portal", upload: str, stream: BinaryIO, offset: int) -> int:
    stream.seek(offset)
    data = stream.read(CHUNK_BYTES)
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    headers = {**VERSION, "Content-Type": CHUNK_TYPE, "Upload-Offset": str(offset)}
    headers["Upload-Checksum"] = f"sha256 {checksum}"
    answer = portal.send("PATCH", f"{UPLOADS}/{upload}", headers=headers, content=data, acts=True, repeats=False)
    return int(answer.headers["Upload-Offset"])


def _offset_or(reached: int, portal: "Portal", upload: str) -> int:
    """The offset, or what was known of it while the portal is away: the next chunk's refusal would tell."""
    try:
        return offset_of(portal, upload)
    except Problem as problem:
        if problem.exit_code is not Exit.UNREACHABLE:
            raise
        return reached


def offset_of(portal: "Portal", upload: str) -> int:
    """How many bytes the portal has on its disk."""
    return int(portal.send("HEAD", f"{UPLOADS}/{upload}", headers=VERSION).headers["Upload-Offset"])


def standing(portal: "Portal", upload: str) -> dict[str, Any] | None:
    """The upload as it is inspected; None once it has become an image. Raises `Problem` for one that was refused."""
    try:
        row: dict[str, Any] = portal.get(f"{UPLOADS}/{upload}")
    except Problem as problem:
        if problem.code == "unknown-upload":
            return None
        raise
    if row["state"] == "refused":
        raise Problem(Exit.FAILED, row["message"], code=row["code"])
    return row


def _metadata(text: str) -> dict[str, str]:
    pairs = (part.strip().partition(" ") for part in text.split(",") if part.strip())
    return {name: base64.b64decode(value).decode(errors="replace") for name, _, value in pairs}
