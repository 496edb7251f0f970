"""The JL6108 as the board's switch: all that this driver can do with it, in one class."""

from hardware.jl6108.addresses import AddressTable
from hardware.jl6108.counters import PortCounters
from hardware.jl6108.isolation import PortIsolation
from hardware.jl6108.link_settings import LinkControl
from hardware.jl6108.mirror import PortMirror
from hardware.jl6108.ports import PortControl
from hardware.jl6108.ranges import VidRanges
from hardware.jl6108.rates import RateLimits
from hardware.jl6108.recovery import Recovery
from hardware.jl6108.restart import Restart
from hardware.jl6108.vlans import VlanTables


class Jl6108(
    Recovery,
    PortControl,
    LinkControl,
    PortCounters,
    VlanTables,
    PortIsolation,
    PortMirror,
    AddressTable,
    VidRanges,
    RateLimits,
    Restart,
):
    """`SwitchChip` over the register bridge. What each part does is written where it is.

    The chip is asked who it is before anything else; every bridge sequence is one hold of the bus's lock, and series
    of them give way in between. Bits that a call does not name stay as they are. Ports are 1 to 8 as on the front, and
    `hardware.vlan.CPU_PORT` is the chip's own. None of it has been tried on silicon.
    """
