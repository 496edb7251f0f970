"""The JL6108 counts its ports in two ways (section 2): the switch core in one, MACs and PHYs in the other."""

from collections.abc import Collection

from hardware.jl6108.registers import CORE_PORTS, PORTS
from hardware.vlan import CPU_PORT, FRONT_PORTS

#: Front ports and the CPU's.
ALL_PORTS = (*FRONT_PORTS, CPU_PORT)
#: What a port's number is less than the core's. Core ports 0 and 1 are the SerDes ports, which a JL6108 has not.
CORE_OFFSET = 1


def mac_index(port: int) -> int:
    """The number of a front port's MAC and PHY. Raises ValueError for a port that is not there."""
    if not 1 <= port <= PORTS:
        raise ValueError(f"The switch has front ports 1 to {PORTS}, not {port}.")
    return port - 1


def core_port(port: int) -> int:
    """The core's number of a front port or the CPU's. Raises ValueError for a port that is not there."""
    if port not in ALL_PORTS:
        raise ValueError(f"The switch has ports 1 to {PORTS} and {CPU_PORT}, its own, not {port}.")
    return port + CORE_OFFSET


def core_mask(ports: Collection[int]) -> int:
    """A bit for each of these ports, as the core's tables have it. Raises ValueError."""
    return sum(1 << core_port(port) for port in set(ports))


def ports_in(mask: int) -> frozenset[int]:
    """The ports of a core mask. Bits of ports that a JL6108 has not are left out."""
    return frozenset(core - CORE_OFFSET for core in range(CORE_PORTS) if mask >> core & 1) & frozenset(ALL_PORTS)
