"""Block maps: those of bmaptool are read and obeyed, ours are read by bmaptool, and no zero is taken for a hole."""

import hashlib
import itertools
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import BlockMapInvalid, HardwareError
from hardware.flash.blockmap import (
    BLOCK_BYTES,
    MAX_RANGE_BLOCKS,
    MIN_ZERO_BLOCKS,
    BlockMap,
    BlockRange,
    MapBuilder,
    MapChecker,
    read_bmap,
    zeros_sha256,
)
from hardware.flash.image import ImageFacts, inspect
from tests.hardware.flash.disk_images import MIB, run, soiled


@pytest.fixture(scope="session")
def bmap(image: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What bmaptool makes of the image: its holes are the file's own."""
    path = tmp_path_factory.mktemp("bmap") / "disk.bmap"
    run("bmaptool", "create", "-o", path, image)
    return path.read_bytes()


def resealed(xml: bytes) -> bytes:
    """The map with a checksum of itself that is right."""
    place = re.compile(rb"(<BmapFileChecksum>\s*)[0-9a-f]{64}")
    blank = place.sub(rb"\g<1>" + b"0" * 64, xml)
    return place.sub(rb"\g<1>" + hashlib.sha256(blank).hexdigest().encode(), xml)


def test_the_map_of_bmaptool_is_read(bmap: bytes, image: Path) -> None:
    found = read_bmap(bmap)
    assert found.size_bytes == image.stat().st_size
    assert 5 * MIB < found.data_bytes < 8 * MIB
    data = image.read_bytes()
    for extent in found.extents:
        assert hashlib.sha256(data[extent.offset : extent.end]).hexdigest() == extent.sha256


def test_an_image_that_comes_with_its_map_keeps_it(bmap: bytes, packed: dict[str, Path]) -> None:
    assert inspect(packed["xz"], bmap=bmap).block_map == read_bmap(bmap)


def test_bmaptool_copies_by_our_map(facts: dict[str, ImageFacts], packed: dict[str, Path], tmp_path: Path) -> None:
    ours = tmp_path / "ours.bmap"
    ours.write_bytes(facts["xz"].block_map.to_bmap())
    copy = soiled(tmp_path / "copy", 25 * MIB)
    named = tmp_path / "disk.img.xz"
    os.link(packed["xz"], named)
    run("bmaptool", "copy", "--bmap", ours, named, copy)
    assert copy.read_bytes() == packed["raw"].read_bytes()


def test_a_map_that_was_written_out_is_read_again(facts: dict[str, ImageFacts]) -> None:
    block_map = facts["raw"].block_map
    assert BlockMap.from_dict(block_map.as_dict()) == block_map
    again = read_bmap(block_map.to_bmap())
    assert [one[:2] for one in again.ranges] == [one[:2] for one in block_map.ranges]
    assert [one.sha256 for one in again.extents] == [
        one.sha256 or zeros_sha256(one.length) for one in block_map.extents
    ]


def test_zeros_of_an_image_without_a_map_are_no_holes(facts: dict[str, ImageFacts]) -> None:
    """They may be the inside of a file: the one in the image has a MiB of them."""
    block_map = facts["raw"].block_map
    assert block_map.data_bytes + block_map.zero_bytes == block_map.size_bytes
    assert block_map.zero_bytes > 15 * MIB


def test_a_map_of_another_image_is_refused(bmap: bytes, packed: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(packed["raw"].read_bytes()[:-BLOCK_BYTES])
    with pytest.raises(HardwareError):
        inspect(other, bmap=bmap)
    changed = bytearray(packed["raw"].read_bytes())
    changed[12 * MIB + 7] ^= 1
    other.write_bytes(changed)
    with pytest.raises(BlockMapInvalid, match="differs from its block map"):
        inspect(other, bmap=bmap)
    other.write_bytes(packed["raw"].read_bytes() + bytes(BLOCK_BYTES))
    with pytest.raises(BlockMapInvalid, match="is of an image of"):
        inspect(other, bmap=bmap)


@pytest.mark.parametrize(
    ("pattern", "replacement", "words"),
    [
        (rb"<ImageSize>", b"<ImageSize>x", "ImageSize"),
        (rb"<BlockSize> *\d+", b"<BlockSize> 4095", "usable size"),
        (rb'version="2.0"', b'version="1.3"', "version 2.0"),
        (rb"sha256 *</Ch", b"sha1</Ch", "not sha256"),
        (rb"<MappedBlocksCount> *\d", b"<MappedBlocksCount> 9", "counts"),
        (rb'chksum="[0-9a-f]{8}', b'chksum="', "no checksum"),
        (rb"> *0-", b"> 2-", "overlap|counts"),
        (rb"> *0-", b"> 99999-", "overlap"),
        (rb"</bmap>", b"", "not XML"),
        (rb"<bmap", b'<!DOCTYPE a [<!ENTITY b "c">]><bmap', "not a bmap"),
    ],
)
def test_a_map_that_is_wrong_is_refused(pattern: bytes, replacement: bytes, words: str, bmap: bytes) -> None:
    changed = re.sub(pattern, replacement, bmap, count=1)
    assert changed != bmap
    with pytest.raises(BlockMapInvalid, match=words):
        read_bmap(resealed(changed))


def test_a_map_with_a_flipped_digit_is_refused(bmap: bytes) -> None:
    with pytest.raises(BlockMapInvalid, match="checksum of itself"):
        read_bmap(bmap.replace(b"0-", b"1-", 1))


@given(st.binary(max_size=300))
def test_nothing_that_is_no_map_makes_it_fall_over(xml: bytes) -> None:
    with pytest.raises(BlockMapInvalid):
        read_bmap(xml)


# Building, against the plainest way to say it

LAYOUT = st.lists(
    st.tuples(st.booleans(), st.sampled_from([1, 2, MIN_ZERO_BLOCKS - 1, MIN_ZERO_BLOCKS, MIN_ZERO_BLOCKS + 1, 300])),
    min_size=1,
    max_size=8,
)


def laid_out(layout: list[tuple[bool, int]], tail: int) -> bytes:
    blocks = b"".join((b"\0" if zero else b"x") * (count * BLOCK_BYTES) for zero, count in layout)
    return blocks + (b"\0" if layout[-1][0] else b"y") * tail


def built(data: bytes) -> BlockMap:
    builder = MapBuilder()
    for offset in range(0, len(data), MIB):
        builder.feed(data[offset : offset + MIB])
    return builder.finish()


@settings(max_examples=60, deadline=None)
@given(LAYOUT, st.sampled_from([0, 1, 511, 4095]))
def test_a_map_covers_all_of_the_image_and_tells_data_from_long_zeros(
    layout: list[tuple[bool, int]], tail: int
) -> None:
    data = laid_out(layout, tail)
    block_map = built(data)
    covered = 0
    for extent in block_map.extents:
        assert extent.offset == covered
        piece = data[extent.offset : extent.end]
        assert extent.sha256 == (None if not any(piece) else hashlib.sha256(piece).hexdigest())
        covered = extent.end
    assert covered == len(data) == block_map.size_bytes
    blocks = (not any(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES))
    runs = [(is_zero, len(list(run))) for is_zero, run in itertools.groupby(blocks)]
    long = [count for is_zero, count in runs[:-1] if is_zero and count >= MIN_ZERO_BLOCKS]
    last = [count for is_zero, count in runs[-1:] if is_zero]
    assert [one.last - one.first + 1 for one in block_map.ranges if one.sha256 is None] == long + last
    MapChecker(block_map).feed(data)


def test_a_long_range_of_data_is_divided(tmp_path: Path) -> None:
    data = b"z" * (MAX_RANGE_BLOCKS * BLOCK_BYTES + 1)
    assert [one[:2] for one in built(data).ranges] == [(0, MAX_RANGE_BLOCKS - 1), (MAX_RANGE_BLOCKS, MAX_RANGE_BLOCKS)]


@pytest.mark.parametrize("piece", [1000, BLOCK_BYTES, 100_000])
def test_a_checker_notices_every_change(piece: int) -> None:
    data = bytearray(laid_out([(False, 3), (True, 70), (False, 2)], 17))
    ranges = (*built(bytes(data)).ranges,)
    block_map = BlockMap(len(data), BLOCK_BYTES, ranges)
    assert ranges[1] == BlockRange(3, 72, None)
    for at in (0, 4 * BLOCK_BYTES, 40 * BLOCK_BYTES, len(data) - 1):
        data[at] ^= 1
        with pytest.raises(BlockMapInvalid, match="differs"):
            feed(MapChecker(block_map), data, piece)
        data[at] ^= 1
    assert feed(MapChecker(block_map), data, piece) == block_map


def feed(checker: MapChecker, data: bytearray, piece: int) -> BlockMap:
    for offset in range(0, len(data), piece):
        checker.feed(data[offset : offset + piece])
    return checker.finish()
