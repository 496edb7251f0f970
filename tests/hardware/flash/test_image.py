"""An image is known from its content, read in whole, and refused in one sentence if anything is wrong with it."""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import (
    ImageCorrupt,
    ImageError,
    ImageNeedsMemory,
    ImageTooLarge,
    ImageTruncated,
    ImageUnsupported,
    Stopped,
)
from hardware.flash import decoders
from hardware.flash.image import ImageFacts, ImageReader, inspect, sha256_of
from tests.hardware.flash.disk_images import MIB, noise, pack, run, sha256

PROJECT = Path(__file__).resolve().parents[3]
PACKED = ["xz", "gz", "bz2", "zst", "zip"]


def read_all(path: Path) -> bytes:
    with ImageReader(path) as reader:
        data = bytearray()
        piece = memoryview(bytearray(777_777))
        while count := reader.readinto(piece):
            data += piece[:count]
        return bytes(data)


def is_refused(path: Path, kind: type[ImageError] = ImageError) -> str:
    with pytest.raises(kind) as caught:
        inspect(path)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("format", ["raw", *PACKED])
def test_every_format_is_known_from_its_content_and_expands_to_the_same_bytes(
    format: str, image: Path, packed: dict[str, Path], facts: dict[str, ImageFacts]
) -> None:
    assert facts[format].format == format
    assert facts[format].size_bytes == image.stat().st_size
    assert facts[format].stored_bytes == packed[format].stat().st_size
    assert facts[format].sha256 == sha256(packed[format])
    assert facts[format].block_map == facts["raw"].block_map
    assert facts[format].partitions == facts["raw"].partitions
    assert read_all(packed[format]) == image.read_bytes()


@pytest.mark.parametrize("format", PACKED)
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.999])
def test_a_packed_image_that_is_cut_short_is_refused(
    format: str, kept: float, packed: dict[str, Path], tmp_path: Path
) -> None:
    whole = packed[format].read_bytes()
    short = tmp_path / "short"
    short.write_bytes(whole[: int(len(whole) * kept)])
    sentence = is_refused(short, ImageTruncated)
    assert "cut short" in sentence or "table of contents" in sentence


@pytest.mark.parametrize("format", PACKED)
def test_a_flipped_byte_in_a_packed_image_is_noticed(format: str, packed: dict[str, Path], tmp_path: Path) -> None:
    damaged = bytearray(packed[format].read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    assert "damaged" in is_refused(path, ImageCorrupt)


def test_a_raw_image_that_is_cut_short_is_known_from_its_partition_table(image: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.img"
    short.write_bytes(image.read_bytes()[: 12 * MIB])
    assert "partition 2 ends at" in is_refused(short, ImageTruncated)


@pytest.mark.parametrize(
    ("chain", "times"),
    [
        (lambda data: lzma.compress(data) + bytes(8) + lzma.compress(data), 2),
        (lambda data: gzip.compress(data) + gzip.compress(data) + bytes(512), 2),
        (lambda data: bz2.compress(data) * 3, 3),
    ],
    ids=["xz with padding", "gzip with padding", "bzip2"],
)
def test_streams_one_after_another_are_one_image(chain: Callable[[bytes], bytes], times: int, tmp_path: Path) -> None:
    data = noise(300_000)
    path = tmp_path / "streams"
    path.write_bytes(chain(data))
    assert read_all(path) == data * times


def test_zstd_frames_and_frames_to_be_skipped_are_one_image(tmp_path: Path) -> None:
    data = noise(300_000)
    frame = subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    path = tmp_path / "frames"
    path.write_bytes(b"\x50\x2a\x4d\x18\x04\x00\x00\x00\x99\x99\x99\x99" + frame + frame)
    assert read_all(path) == data * 2


@pytest.mark.parametrize("format", ["xz", "gz", "bz2", "zst"])
def test_something_else_after_the_packed_data_is_refused(format: str, packed: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "more"
    path.write_bytes(packed[format].read_bytes() + b"<html>not found</html>")
    assert "followed by something else" in is_refused(path, ImageCorrupt)


# Zip


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_directories_and_the_ballast_of_macs_are_no_second_image(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a", {"d/": b"", "d/disk.img": noise(5000), "__MACOSX/d/._disk.img": b"x"})
    assert inspect(path).size_bytes == 5000


def test_a_zip_of_several_files_is_refused(tmp_path: Path) -> None:
    assert "holds 2 files" in is_refused(zipped(tmp_path / "a", {"a": b"1", "b": b"2"}), ImageUnsupported)


def test_a_zip_whose_memory_nobody_can_know_is_refused(tmp_path: Path) -> None:
    assert "rare way" in is_refused(zipped(tmp_path / "a", {"a": b"1"}, zipfile.ZIP_LZMA), ImageUnsupported)


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a", {"a": noise(100)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "password" in is_refused(path, ImageUnsupported)


# What is no image


def test_an_image_that_is_packed_twice_is_refused(packed: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "twice.gz"
    path.write_bytes(gzip.compress(packed["xz"].read_bytes()))
    assert "packed twice" in is_refused(path, ImageUnsupported)


def test_archives_and_other_disks_are_named_with_what_to_do(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("disk.img"), io.BytesIO())
    path = tmp_path / "file"
    for data, words in (
        (buffer.getvalue(), "a tar archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "a 7-Zip archive"),
        (b"\x3a\xff\x26\xed" + bytes(100), "simg2img"),
        (b"QFI\xfb" + bytes(100), "qemu-img"),
        (lzma.compress(buffer.getvalue()), "a tar archive"),
        (b"", "empty"),
        (gzip.compress(b""), "empty"),
    ):
        path.write_bytes(data)
        assert words in is_refused(path, ImageUnsupported)


def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    assert "No such file" in is_refused(tmp_path / "missing")
    assert "directory" in is_refused(tmp_path)


# Memory and size


def test_an_image_that_expands_beyond_the_limit_is_refused_when_it_does(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with path.open("wb") as file, subprocess.Popen(["zstd", "-q", "-1"], stdin=subprocess.PIPE, stdout=file) as zstd:
        assert zstd.stdin
        for _ in range(256):
            zstd.stdin.write(bytes(MIB))
        zstd.stdin.close()
    assert path.stat().st_size < MIB // 4
    with pytest.raises(ImageTooLarge, match="more than the limit of 67,108,864 bytes"):
        inspect(path, max_size_bytes=64 * MIB)


MEASURE = """
import re, sys
from pathlib import Path
from hardware.flash.image import inspect
# (not ru_maxrss: it begins with what the parent had)
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
idle = peak()
inspect(Path(sys.argv[1]))
print((peak() - idle) // 1024)
"""


@pytest.mark.parametrize("packer", [["zstd", "-q", "-19"], ["gzip", "-1"], ["xz", "-0"]], ids=lambda it: it[0])
def test_a_bomb_takes_no_more_memory_than_an_image(packer: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with path.open("wb") as file:
        subprocess.run([*packer, "-c"], input=bytes(32 * MIB), stdout=file, check=True, timeout=60)
    used = subprocess.run(
        [sys.executable, "-c", MEASURE, path], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert int(used.stdout) < 24  # MiB; some 8 of them are the decoder's window


def test_the_decoders_window_is_read_from_the_head(tmp_path: Path) -> None:
    data = noise(10_000)
    path = tmp_path / "a"
    for preset, window in ((0, 256 * 1024), (6, 8 * MIB), (9, 64 * MIB)):
        path.write_bytes(lzma.compress(data, preset=preset))
        assert inspect(path).decoder_window_bytes == window
    for log2 in (17, 23, 27):
        zstd = ["zstd", "-q", "-c", f"--zstd=wlog={log2}"]
        path.write_bytes(subprocess.run(zstd, input=data, capture_output=True, check=True).stdout)
        assert inspect(path).decoder_window_bytes == 2**log2
    run("zstd", "-q", "-f", "--no-check", tmp_path / "a", "-o", tmp_path / "known-size")
    assert decoders.window_bytes("zst", (tmp_path / "known-size").read_bytes()) == path.stat().st_size


def test_what_needs_more_memory_than_allowed_is_refused_with_what_to_do(tmp_path: Path) -> None:
    data = noise(10_000)
    big = [{"id": lzma.FILTER_LZMA2, "dict_size": 192 * MIB, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    path = tmp_path / "a"
    path.write_bytes(lzma.compress(data, filters=big))
    assert "192 MiB" in is_refused(path, ImageNeedsMemory)
    path.write_bytes(lzma.compress(data) + lzma.compress(data, filters=big))
    assert "xz -9" in is_refused(path, ImageNeedsMemory)
    greedy = subprocess.run(["zstd", "-qc", "--ultra", "--long=28"], input=data, capture_output=True, check=True).stdout
    modest = subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    for frames in (greedy, modest + greedy):
        path.write_bytes(frames)
        assert "zstd -19" in is_refused(path, ImageNeedsMemory)


# Reading on


@pytest.mark.parametrize("format", ["raw", "xz"])
def test_skipping_goes_on_at_the_right_byte(format: str, image: Path, packed: dict[str, Path]) -> None:
    with ImageReader(packed[format]) as reader:
        reader.skip_to(10 * MIB + 5)
        piece = memoryview(bytearray(100))
        assert reader.readinto(piece) == 100
        assert bytes(piece) == image.read_bytes()[10 * MIB + 5 :][:100]
        with pytest.raises(ImageTruncated):
            reader.skip_to(100 * MIB)


def test_reading_an_image_tells_how_far_it_is_and_can_be_stopped(packed: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    inspect(packed["xz"], on_progress=lambda *figures: seen.append(figures))
    assert seen == sorted(seen)
    assert seen[-1] == (packed["xz"].stat().st_size, 25 * MIB)
    stop = threading.Event()
    stop.set()
    for work in (inspect, sha256_of):
        with pytest.raises(Stopped):
            work(packed["xz"], stop=stop)


# Anything at all


@given(st.binary(max_size=600))
def test_no_head_whatever_is_a_reason_to_fail_otherwise(head: bytes) -> None:
    try:
        format = decoders.sniff(head)
    except ImageUnsupported:
        return
    assert decoders.window_bytes(format, head) >= 0
    for one in ("xz", "zst"):
        decoders.window_bytes(one, head)


@pytest.mark.parametrize("format", PACKED)
def test_damage_anywhere_is_noticed_or_does_no_harm(format: str, tmp_path: Path) -> None:
    data = noise(30_000) + bytes(30_000)
    (tmp_path / "plain").write_bytes(data)
    whole = pack(tmp_path / "plain", format, tmp_path / "whole").read_bytes()
    path, chance = tmp_path / "damaged", random.Random(format)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])
        with contextlib.suppress(ImageError):
            assert read_all(path) in (data, path.read_bytes())  # or it is no longer known to be packed
