"""The other end of the switch's bus: frames as jl6108.md section 3.2 writes them."""

from smbus2 import i2c_msg

from hardware.simulator.testing import InProcessBoard


class Master:
    """Reads and writes words through the bridge, without any cleverness."""

    def __init__(self, board: InProcessBoard) -> None:
        self._smbus = board.smbus()

    def frame(self, register: int, value: int | None = None) -> None:
        data = [] if value is None else [value >> 8, value & 0xFF]
        self._smbus.i2c_rdwr(i2c_msg.write(0x5C, [register >> 8, register & 0xFF, *data]))

    def value(self, register: int) -> int:
        self.frame(register)
        answer = i2c_msg.read(0x5C, 2)
        self._smbus.i2c_rdwr(answer)
        return int.from_bytes(bytes(answer), "big")

    def start(self, address: int, count: int, is_write: int) -> None:
        self.frame(0x781, (count - 1) << 1 | is_write)
        self.frame(0x782, address & 0xFFFF)
        self.frame(0x783, address >> 16)
        self.frame(0x780, 1)

    def push(self, *words: int) -> None:
        for word in words:
            self.frame(0x784, word & 0xFFFF)
            self.frame(0x78D, word >> 16)

    def read(self, address: int, count: int = 1) -> list[int]:
        self.start(address, count, 0)
        assert self.value(0x780) == 0
        return [self.value(0x78E) | self.value(0x787) << 16 for _ in range(count)]

    def write(self, address: int, *words: int) -> None:
        self.push(*words)
        self.start(address, len(words), 1)
        assert self.value(0x780) == 0
