"""The register bridge, byte for byte as the vendor's driver was seen to use it, and what the chip says of itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardware.buslock import BusLock
from hardware.contracts import Link
from hardware.errors import BusError, ChipRefused
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.transport import BUSY_POLLS, I2cBridge, WireMode

VECTORS = Path(__file__).parent / "vectors"


def vector(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return content


class WireBus:
    """An `I2cBus` that writes down each frame as the vectors do, and reads what a vector says the chip answered."""

    def __init__(self, answers: list[str]) -> None:
        self.wire: list[str] = []
        self._answers = answers

    def write(self, address: int, data: bytes) -> None:
        self.wire.append(f"S {address << 1:02x} {data.hex(' ')} P")

    def read(self, address: int, count: int) -> bytes:
        frame = self._answers.pop(0)
        self.wire.append(frame)
        assert frame.startswith(f"S {address << 1 | 1:02x} ")
        data = bytes(int(part[1:3], 16) for part in frame.split()[2:-1])
        assert len(data) == count
        return data

    def read_byte(self, address: int, register: int) -> int:
        raise AssertionError("the bridge has no byte registers")

    def write_byte(self, address: int, register: int, value: int) -> None:
        raise AssertionError("the bridge has no byte registers")

    def close(self) -> None:
        pass


def bridge_for(call: dict[str, Any], mode: WireMode, tmp_path: Path, busy_polls: int = BUSY_POLLS) -> I2cBridge:
    """A bridge onto what the chip answered in this call; its bus ends up in `wire_of`."""
    bus = WireBus([frame for frame in call["wire"] if "<" in frame])
    return I2cBridge(bus, 0x5C, BusLock(tmp_path / "bus.lock"), mode, busy_polls=busy_polls)


def wire_of(bridge: I2cBridge) -> list[str]:
    bus = bridge._bus
    assert isinstance(bus, WireBus)
    return bus.wire


def do(bridge: I2cBridge, call: list[Any]) -> tuple[int, ...]:
    """One recorded call: `raw_read A`, `raw_write A word`, or a burst of either."""
    name, address, *rest = call
    if name == "raw_read":
        return bridge.read_words(int(address, 16))
    if name == "raw_burst_read":
        return bridge.read_words(int(address, 16), rest[0])
    bridge.write_words(int(address, 16), tuple(int(str(word), 0) for word in rest))
    return ()


CALLS = [
    pytest.param(mode, call, id=f"{name}-{number}")
    for name, mode in (
        ("raw_i2c_msb", WireMode.MSB),
        ("raw_i2c_lsb", WireMode.LSB),
        ("busy_3_polls", WireMode.MSB),
    )
    for number, call in enumerate(vector(name)["calls"])
    if call["ret"] == 0
]


@pytest.mark.parametrize(("mode", "call"), CALLS)
def test_every_frame_is_what_the_vendors_driver_sends(mode: WireMode, call: dict[str, Any], tmp_path: Path) -> None:
    bridge = bridge_for(call, mode, tmp_path)
    words = do(bridge, call["call"])
    assert wire_of(bridge) == call["wire"]
    assert words == tuple(call.get("out", ()))


@pytest.mark.parametrize("call", vector("busy_timeout")["calls"])
def test_a_bridge_that_stays_busy_is_a_bus_error_and_is_not_asked_again(call: dict[str, Any], tmp_path: Path) -> None:
    bridge = bridge_for(call, WireMode.MSB, tmp_path, busy_polls=4)  # the vendor's own limit
    with pytest.raises(BusError, match="still busy after 4 polls") as caught:
        do(bridge, call["call"])
    assert wire_of(bridge) == call["wire"]
    assert (caught.value.address, caught.value.register, caught.value.nack) == (0x5C, 0x0780, False)


def frames_of_a_read(address: int, word: int) -> list[str]:
    """What the wire shows of one word read in MSB mode, from the reference's worked example."""
    return [
        "S b8 07 81 00 00 P",
        f"S b8 07 82 {address >> 8 & 0xFF:02x} {address & 0xFF:02x} P",
        f"S b8 07 83 00 {address >> 16:02x} P",
        "S b8 07 80 00 01 P",
        "S b8 07 80 P",
        "S b9 <00A <00N P",
        "S b8 07 8e P",
        f"S b9 <{word >> 8 & 0xFF:02x}A <{word & 0xFF:02x}N P",
        "S b8 07 87 P",
        f"S b9 <{word >> 24:02x}A <{word >> 16 & 0xFF:02x}N P",
    ]


def chip_that_answers(reads: list[tuple[int, int]], tmp_path: Path) -> tuple[Jl6108, list[str]]:
    """A chip to which these words at these addresses are read, and the frames that this has to make."""
    wire = [frame for address, word in reads for frame in frames_of_a_read(address, word)]
    return Jl6108(bridge_for({"wire": wire}, WireMode.MSB, tmp_path)), wire


IDENTITY = [(0x200054, 0x00130000), (0x20004C, 0x00016108)]


def recorded_reads(name: str) -> dict[int, int]:
    """Address and word of every single-word read in a vector."""
    registers = [entry for call in vector(name)["calls"] for entry in call["registers"]]
    return {int(address, 16): int(words[0], 16) for kind, address, words in registers if kind == "read"}


def test_the_chip_of_the_vectors_is_known(tmp_path: Path) -> None:
    words = recorded_reads("init_i2c")
    chip, wire = chip_that_answers([(address, words[address]) for address, _ in IDENTITY], tmp_path)
    assert chip.identify() == "JL6108"
    assert wire_of(chip._bridge) == wire


def test_the_chip_whose_firmware_is_not_up_is_refused(tmp_path: Path) -> None:
    words = recorded_reads("init_fw_not_ready")
    chip, _ = chip_that_answers([(0x200054, words[0x200054])], tmp_path)
    with pytest.raises(ChipRefused, match=r"firmware is not up \(boot state 0x00000000\)"):
        chip.identify()


def test_a_jl6110_is_known_by_its_own_name(tmp_path: Path) -> None:
    words = recorded_reads("init_wrong_chip")
    chip, _ = chip_that_answers([(address, words[address]) for address, _ in IDENTITY], tmp_path)
    assert chip.identify() == "JL6110"


@pytest.mark.parametrize("word", [0, 0xFFFFFFFF, 0x00006108, 0x00016110, 0x00016107, 0x00026108])
def test_any_other_chip_is_refused(word: int, tmp_path: Path) -> None:
    chip, _ = chip_that_answers([IDENTITY[0], (0x20004C, word)], tmp_path)
    with pytest.raises(ChipRefused, match=f"0x{word:08X}"):
        chip.identify()


@pytest.mark.parametrize(
    ("boot_state", "patch_version", "up"),
    [(0x00160000, None, True), (0x00130000, None, True), (0x00040000, 1, True), (0x00040000, 0, False)],
)
def test_firmware_that_boots_a_patch_is_up_once_the_patch_has_a_version(
    boot_state: int, patch_version: int | None, up: bool, tmp_path: Path
) -> None:
    reads = [(0x200054, boot_state)]
    if patch_version is not None:
        reads.append((0x200074, patch_version))
    chip, _ = chip_that_answers([*reads, IDENTITY[1]], tmp_path)
    if up:
        assert chip.identify() == "JL6108"
    else:
        with pytest.raises(ChipRefused, match="not up"):
            chip.identify()


def test_the_links_of_the_vector_are_read_from_its_words(tmp_path: Path) -> None:
    words = recorded_reads("port_status")
    status = [(0x1420FC + 0x400 * port, words.get(0x1420FC + 0x400 * port, 0)) for port in range(8)]
    chip, wire = chip_that_answers([*IDENTITY, *status], tmp_path)
    links = chip.read_links()
    # The vector's own answers for front ports 1, 2, 3 and 8: link, duplex, speed code.
    for call in vector("port_status")["calls"]:
        name, port, *_ = call["call"]
        if name == "port_status":
            up, duplex, code = call["out"]
            assert links[port] == Link(bool(up), (10, 100, 1000)[code], bool(duplex))
    assert wire_of(chip._bridge) == wire


def test_the_status_of_eight_ports_takes_eighty_frames_once_the_chip_is_known(tmp_path: Path) -> None:
    status = [(0x1420FC + 0x400 * port, 0) for port in range(8)]
    chip, _ = chip_that_answers([*IDENTITY, *status, *status], tmp_path)
    chip.read_links()
    before = len(wire_of(chip._bridge))
    chip.read_links()
    assert len(wire_of(chip._bridge)) - before == 80


@pytest.mark.parametrize("count", [0, 17])
def test_a_burst_that_the_bridge_cannot_do_is_a_mistake_of_the_caller(count: int, tmp_path: Path) -> None:
    bridge = bridge_for({"wire": []}, WireMode.MSB, tmp_path)
    with pytest.raises(ValueError, match="1 to 16 words"):
        bridge.read_words(0x1064FC, count)
    with pytest.raises(ValueError, match="1 to 16 words"):
        bridge.write_words(0x1064FC, (0,) * count)


@pytest.mark.parametrize("address", [-4, 0x1064FD, 0x1000000])
def test_an_address_that_the_bridge_cannot_carry_is_a_mistake_of_the_caller(address: int, tmp_path: Path) -> None:
    bridge = bridge_for({"wire": []}, WireMode.MSB, tmp_path)
    with pytest.raises(ValueError, match="address"):
        bridge.read_words(address)
    with pytest.raises(ValueError, match="address"):
        bridge.write_words(address, (0,))


@pytest.mark.parametrize("word", [-1, 1 << 32])
def test_a_word_that_is_too_long_is_a_mistake_of_the_caller(word: int, tmp_path: Path) -> None:
    bridge = bridge_for({"wire": []}, WireMode.MSB, tmp_path)
    with pytest.raises(ValueError, match="0xFFFFFFFF"):
        bridge.write_words(0x1064FC, (0, word))
    assert wire_of(bridge) == []
