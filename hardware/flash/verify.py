"""Reads a target back from the device itself and compares it with the checksums of the image's block map.

The image is not needed for it, so verifying takes as long as reading the device does.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from hardware.contracts import BlockTarget
from hardware.errors import VerifyError
from hardware.flash.blockmap import BlockMap, Extent
from hardware.flash.pieces import page_aligned

READ_BYTES = 512 * 1024  # two of them for each target

_ZEROS = bytes(READ_BYTES)


def verify(target: BlockTarget, block_map: BlockMap, on_bytes: Callable[[int], None]) -> None:
    """Compares every range of the map, holes excepted. Blocks for all of it.

    `on_bytes` is called with the number of bytes read, at least each READ_BYTES; what it raises ends the work.

    Raises ReadError, VerifyError naming the first range that differs.
    """
    buffers = [page_aligned(READ_BYTES) for _ in range(2)]
    with ThreadPoolExecutor(1) as hasher:
        for extent in block_map.extents:
            check = _CheckZeros() if extent.is_zeros else _CheckDigest(extent)
            pending: Future[None] | None = None
            for number, offset in enumerate(range(extent.offset, extent.end, READ_BYTES)):
                # The device is read into one buffer while the other is compared.
                buffer = buffers[number % 2][: min(READ_BYTES, extent.end - offset)]
                target.read(offset, buffer)
                if pending:
                    pending.result()
                pending = hasher.submit(check.feed, buffer)
                on_bytes(len(buffer))
            if pending:
                pending.result()
            if not check.holds():
                raise VerifyError(target.name, extent.offset, extent.length)


class _CheckDigest:
    def __init__(self, extent: Extent) -> None:
        self._expected = extent.sha256
        self._digest = hashlib.sha256()

    def feed(self, data: memoryview) -> None:
        self._digest.update(data)

    def holds(self) -> bool:
        return self._digest.hexdigest() == self._expected


class _CheckZeros:
    def __init__(self) -> None:
        self._all_zero = True

    def feed(self, data: memoryview) -> None:
        self._all_zero &= bytes(data) == _ZEROS[: len(data)]

    def holds(self) -> bool:
        return self._all_zero
