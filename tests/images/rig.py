"""Images to upload, a small client of the upload protocol, and who asks."""

import base64
import gzip
import hashlib
import lzma
import random
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from images import store
from images.models import FirmwareImage, Upload
from images.services import checking, uploads
from images.services.uploads import Wish
from operations.roles import Actor

API = "/api/v1/images"
UPLOADS = f"{API}/uploads"
MIB = 1 << 20


def person(name: str, role: str) -> Client:
    """A browser in which that person has signed in."""
    user, _ = User.objects.get_or_create(username=name, defaults={"role": role})
    client = Client()
    client.force_login(user)
    return client


def raw_image(size_mib: int = 4, *, label: str = "bootfs", seed: int = 1) -> bytes:
    """A disk with a FAT partition at 1 MiB of that label, a quarter of a MiB of noise in it, and nothing behind."""
    image = bytearray(size_mib * MIB)
    image[446:462] = struct.pack("<B3xB3xII", 0x80, 0x0C, 2048, (size_mib - 1) * MIB // 512)
    image[510:512] = b"\x55\xaa"
    boot = bytearray(512)
    boot[0:3], boot[510:512] = b"\xeb\x3c\x90", b"\x55\xaa"
    boot[43:54], boot[54:62] = label.encode().ljust(11), b"FAT16   "
    image[MIB : MIB + 512] = boot
    image[MIB + 4096 : MIB + 4096 + MIB // 4] = random.Random(seed).randbytes(MIB // 4)
    return bytes(image)


def xz_image(size_mib: int = 4, *, seed: int = 1) -> bytes:
    return lzma.compress(raw_image(size_mib, seed=seed), preset=0)


def xz_noise(size_mib: int) -> bytes:
    """So many MiB, a multiple of four, that do not get smaller: the same four again and again, an xz stream each, since
    to pack them takes a second."""
    return lzma.compress(random.Random(4).randbytes(4 * MIB), preset=0) * (size_mib // 4)


def gz_image(size_mib: int = 4, *, seed: int = 1) -> bytes:
    return gzip.compress(raw_image(size_mib, seed=seed), 1)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def uploaded(data: bytes, actor: Actor, name: str = "raspios-lite.img.xz", **more: Any) -> Upload:
    """An upload that has arrived and waits for its inspection."""
    upload = uploads.begin(Wish(name, len(data), **more), actor)
    pieces = [data]
    uploads.append(upload, 0, len(data), lambda _size: pieces.pop() if pieces else b"")
    upload.refresh_from_db()
    return upload


def kept_image(data: bytes, actor: Actor, name: str = "raspios-lite.img.xz", **more: Any) -> FirmwareImage:
    """An image in the library."""
    upload = uploaded(data, actor, name, **more)
    checking.run()
    return FirmwareImage.objects.get(pk=upload.pk)


def files() -> set[str]:
    """What lies in the store, the lock of the inspection left out."""
    return {str(path.relative_to(store.root())) for path in store.root().rglob("*.*") if path.suffix != ".lock"}


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TusClient:
    """Requests of tus 1.0, header by header."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, size: int, name: str = "raspios-lite.img.xz", **metadata: str) -> HttpResponse:
        said = {"filename": name, **metadata}
        text = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
        return self._send("POST", UPLOADS, headers={"Upload-Length": str(size), "Upload-Metadata": text})

    def begin(self, size: int, name: str = "raspios-lite.img.xz", **metadata: str) -> str:
        """The address of a new upload."""
        answer = self.create(size, name, **metadata)
        assert answer.status_code == 201, answer.content
        return answer["Location"]

    def patch(self, url: str, offset: int, data: bytes, **headers: str) -> HttpResponse:
        headers = {"Upload-Offset": str(offset), **{name.replace("_", "-"): text for name, text in headers.items()}}
        return self._send("PATCH", url, data, headers)

    def head(self, url: str) -> HttpResponse:
        return self._send("HEAD", url)

    def delete(self, url: str) -> HttpResponse:
        return self._send("DELETE", url)

    def offset(self, url: str) -> int:
        return int(self.head(url)["Upload-Offset"])

    def upload(self, data: bytes, name: str = "raspios-lite.img.xz", **metadata: str) -> UUID:
        """All of it in one chunk; the upload's id."""
        url = self.begin(len(data), name, **metadata)
        answer = self.patch(url, 0, data)
        assert answer.status_code == 204, answer.content
        return id_of(url)

    def _send(self, method: str, url: str, data: bytes = b"", headers: dict[str, str] | None = None) -> HttpResponse:
        headers = {"Tus-Resumable": "1.0.0", **(headers or {})}
        kind = headers.pop("Content-Type", "application/offset+octet-stream")
        return self.client.generic(method, url, data, content_type=kind, headers=headers)


def id_of(url: str) -> UUID:
    return UUID(url.rpartition("/")[2])
