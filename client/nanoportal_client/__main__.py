"""`nanoportal`, and `python -m nanoportal_client`."""

import signal
import sys

from nanoportal_client.commands import cli


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, _end)
    cli(prog_name="nanoportal")


def _end(number: int, _: object) -> None:
    """End in order, as shells say it: a terminal that is asked for a token shows no letters until it is put right."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
