"""What a person's hands do to the simulated board, and what `rpiboot` does over a cable that they plugged in."""

from hardware.simulator.board import CONTROLLER_SLOT, Board, BoardError, Slot
from hardware.simulator.som import BootStage, Power, Som
from hardware.simulator.storage import DEVICES, Storage
from hardware.simulator.usb import Socket

NVME_BYTES = 256_060_514_304  # what a drive sold as 256 GB has
_LARGEST_BYTES, _BLOCK_BYTES = 2**43, 512


def press_boot_button(board: Board, number: int, is_held: bool) -> None:
    """Hold BOOT on the adapter of a slot, or let it go; it counts when the SOM starts. Raises BoardError."""
    som = _som(board, number)
    download = som.kind.download
    if download is None:
        raise BoardError(f"The simulated {som.kind.name} has no download mode.")
    if download.only_in_controller and number != CONTROLLER_SLOT:
        raise BoardError(f"A {som.kind.name} shows its storage only in slot {CONTROLLER_SLOT}.")
    som.is_boot_held = is_held
    board.trace.record(slot=number, boot_button="held" if is_held else "released")


def plug_usb(board: Board, number: int, is_plugged: bool) -> None:
    """Connect the Type-C of a slot's adapter to the portal's machine, or pull the cable. Raises BoardError."""
    _socket(board, number).plug(is_plugged)


def press_reset_button(board: Board) -> None:
    """Press RESET on the board: slot 1 starts anew."""
    som = _som(board, CONTROLLER_SLOT)
    som.cut()
    som.start()


def put_medium(board: Board, number: int, name: str, size_bytes: int) -> None:
    """Give a SOM another eMMC or NVMe drive, blank; 0 bytes: none. Only while it is off. Raises BoardError."""
    som = _som(board, number)
    if name not in DEVICES:
        raise BoardError(f"A medium is {' or '.join(DEVICES)}, not {name!r}.")
    if name == "nvme" and not som.kind.has_nvme:
        raise BoardError(f"A {som.kind.name} has no place for an NVMe drive.")
    if not 0 <= size_bytes <= _LARGEST_BYTES or size_bytes % _BLOCK_BYTES:
        raise BoardError(f"A medium has a multiple of {_BLOCK_BYTES} bytes, up to {_LARGEST_BYTES}, not {size_bytes}.")
    if som.power is not Power.OFF:
        raise BoardError(f"The SOM in slot {number} is on: its storage cannot be changed.")
    _storage(board, number).exchange(name, size_bytes)


def send_boot_files(board: Board, path: str) -> None:
    """Answer a boot ROM at that USB path, so that its SOM becomes a disk. Raises BoardError."""
    for slot in board.slots.values():
        if slot.usb is None or slot.usb.path != path or slot.som is None:
            continue
        if slot.usb.seen is not None and slot.som.stage is BootStage.ROM:
            slot.som.take_gadget()
            return
    raise BoardError(f"No boot ROM waits at {path}.")


def _slot(board: Board, number: int) -> Slot:
    return board.slots[number]


def _som(board: Board, number: int) -> Som:
    som = _slot(board, number).som
    if som is None:
        raise BoardError(f"Slot {number} is empty.")
    return som


def _socket(board: Board, number: int) -> Socket:
    socket = _slot(board, number).usb
    if socket is None:
        raise BoardError("This board has no USB side: it was made without a directory.")
    return socket


def _storage(board: Board, number: int) -> Storage:
    storage = _slot(board, number).storage
    if storage is None:
        raise BoardError("This board has no storage: it was made without a directory.")
    return storage
