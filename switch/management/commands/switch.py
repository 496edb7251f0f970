"""`manage.py switch probe`: find the bus that reaches the switch chip, without writing to any of its tables."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardware.errors import HardwareError
from switch.services import probing


class Command(BaseCommand):
    help = "Look for the switch chip on the I2C buses of this machine; reads only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        probe = commands.add_parser("probe", help="look for it on each bus, or on those named")
        probe.add_argument("buses", nargs="*", help='like "/dev/i2c-1"; all of this machine\'s if none is named')
        probe.add_argument("--address", default="0x5C", help="7-bit, 0x5C unless the board straps it otherwise")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            address = probing.parse_address(options["address"])
            buses = options["buses"] or probing.buses()
            if not buses:
                raise CommandError("This machine has no I2C bus under /dev. Is i2c-dev loaded (modprobe i2c-dev)?")
            found = [self._look(bus, address) for bus in buses]
        except HardwareError as error:
            raise CommandError(str(error)) from error
        except ValueError as error:
            raise CommandError(f"{error}") from error
        if not any(found):
            raise CommandError(f"No switch chip answered at 0x{address:02X}.")

    def _look(self, bus: str, address: int) -> bool:
        """One line for a bus, and what its board file would say if the chip is there."""
        seen = probing.probe(bus, address)
        self.stdout.write(f"{bus}: {seen.words}")
        if seen.is_it:
            self.stdout.write(f'\n[switch]\nbus = "{bus}"\naddress = "0x{address:02X}"\n')
        return seen.is_it
