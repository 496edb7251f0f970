"""`manage.py switch probe` on a simulated board in a process of its own."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.simulated import SimulatedBoard


def probe(*arguments: str) -> str:
    out = StringIO()
    call_command("switch", "probe", *arguments, stdout=out)
    return out.getvalue()


def test_the_chip_is_found_and_nothing_of_it_written(tmp_path):
    board = SimulatedBoard(tmp_path)
    try:
        before = board.ctl("dump", "switch")
        said = probe(board.address)
        assert said.startswith(f"{board.address}: JL6108 at 0x5C\n")
        assert f'[switch]\nbus = "{board.address}"\naddress = "0x5C"' in said
        assert board.ctl("dump", "switch") == before
        with pytest.raises(CommandError, match=r"No switch chip answered at 0x20\."):
            probe(board.address, "--address", "0x20")
        with pytest.raises(CommandError, match="No switch chip answered"):
            probe(board.address, "--address", "0x18")  # the expander is there
    finally:
        board.stop()


@pytest.mark.parametrize("address", ["0x80", "five", "3"])
def test_an_address_that_cannot_be_is_refused(address):
    with pytest.raises(CommandError, match="ddress"):
        probe("/dev/i2c-none", "--address", address)


def test_a_bus_that_is_not_there_is_said_so():
    with pytest.raises(CommandError, match="No switch chip answered"):
        probe("/dev/i2c-none")
