"""Isolation by port in the JL6108: who may not send to whom, whatever the VLAN. Section 6.

The firmware edits other bits of the same registers under load, so it is asked to leave them alone meanwhile.
"""

from collections.abc import Collection, Mapping

from hardware.jl6108.access import Access
from hardware.jl6108.numbering import ALL_PORTS, core_mask, core_port, ports_in
from hardware.jl6108.registers import ISOLATION_JOB
from hardware.jl6108.tables import ISOLATION


class PortIsolation(Access):
    """Ports are 1 to 8 and the CPU's. Raises BusError, ChipRefused; ValueError for a port that is not there."""

    def read_isolation(self) -> dict[int, frozenset[int]]:
        """For each port, the ports whose frames do not leave at it: one burst, 42 transfers."""
        first = core_port(ALL_PORTS[0])
        words = self._get_run(ISOLATION, first, len(ALL_PORTS))
        return {port: ports_in(ISOLATION.get(word, "sources")) for port, word in zip(ALL_PORTS, words, strict=True)}

    def set_isolation(self, blocked: Mapping[int, Collection[int]], *, verify: bool = True) -> None:
        """For each port named, lets frames of exactly these ports not leave at it. Ports not named stay as they are.

        One way only: to keep two ports apart, name both. Frames of all VLANs and untagged ones are meant. What verifies
        raises RegistersDiffer.
        """
        masks = {core_port(port): core_mask(sources) for port, sources in blocked.items()}
        with self._hands_off(ISOLATION_JOB):
            for core, mask in masks.items():
                self._modify(ISOLATION, core, sources=mask)
                self._bridge.give_way()
        for core, mask in masks.items() if verify else ():
            # The other bits are the firmware's, and may have moved.
            found = ISOLATION.get(self._get(ISOLATION, core), "sources")
            self._require_same([(ISOLATION, core, ISOLATION.put(0, sources=mask), ISOLATION.put(0, sources=found))])


def only_uplink(uplink: int) -> dict[int, frozenset[int]]:
    """What `set_isolation` takes for "everyone talks only to the uplink", the chip's own pages left reachable.

    The other front ports then hear the uplink and the CPU, and nobody else (section 25 item 19).
    """
    return {port: frozenset(ALL_PORTS[:-1]) - {uplink, port} for port in ALL_PORTS[:-1] if port != uplink}
