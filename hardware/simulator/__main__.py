"""`python -m hardware.simulator`: run one simulated board, or `ctl`: ask things of a running one, or `rpiboot`."""

import argparse
import json
import os
import selectors
import sys
from functools import partial
from pathlib import Path

from hardware.simulator import control, places
from hardware.simulator.board import SLOTS_WITH_UART, Board
from hardware.simulator.clock import Scheduler
from hardware.simulator.server import Server
from hardware.simulator.trace import Trace


def main(arguments: list[str]) -> int:
    """Run the command line and return the exit status; errors are one sentence on standard error."""
    try:
        if arguments[:1] == ["ctl"]:
            return _ctl(arguments[1:])
        if arguments[:1] == ["rpiboot"]:
            return _rpiboot(arguments[1:])
        return _serve(arguments)
    except (places.PlaceError, control.CtlError) as refusal:
        print(refusal, file=sys.stderr)
    except OSError as error:
        print(f"The simulated board cannot use {error.filename or 'its sockets'}: {error.strerror}.", file=sys.stderr)
    return 1


def _serve(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hardware.simulator",
        description="Run one simulated NanoCluster until SIGTERM or Ctrl-C; its addresses come as one line of JSON.",
        epilog="`python -m hardware.simulator ctl --help` tells how to upset it.",
    )
    _add_place(parser)
    parser.add_argument("--trace", metavar="FILE", help="append what happens on the board to this file")
    parser.add_argument(
        "--peer", metavar="SLOT=KIND", action="append", default=[], help="run a real u-boot or linux behind its UART"
    )
    options = parser.parse_args(arguments)
    scheduler = Scheduler(_time_scale())
    directory = places.board_directory(options.data, options.board)
    directory.mkdir(parents=True, exist_ok=True)
    lock = places.Lock(directory)
    board = Board(options.board, scheduler, Trace(scheduler.monotonic, options.trace), directory)
    selector = selectors.DefaultSelector()
    try:
        if options.peer:
            _connect_peers(board, options.peer, selector)
        server = Server(board, directory, selector)
        server.stop_on_signals()
        print(json.dumps(_addresses(board, server)), flush=True)
        server.serve()
    finally:
        board.close()
        lock.release()
    return 0


def _connect_peers(board: Board, words: list[str], selector: selectors.BaseSelector) -> None:
    # Imported only when asked for: a board without peers stays small.
    from hardware.simulator import peers

    try:
        for number, kind in peers.parse(words, SLOTS_WITH_UART).items():
            board.connect(number, partial(peers.Peer, kind, selector=selector, scheduler=board.scheduler))
    except peers.PeerProblem as problem:
        raise places.PlaceError(str(problem)) from problem


def _ctl(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hardware.simulator ctl",
        description="Ask something of a running simulated board; the answer is JSON.",
        epilog="commands:\n" + control.usage() + "\n\n`fault` alone lists the faults.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_place(parser)
    parser.add_argument("command", help="what to do, see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what it is done with")
    options = parser.parse_args(arguments)
    directory = places.board_directory(options.data, options.board)
    print(json.dumps(control.ask(directory, options.command, *options.arguments), indent=2))
    return 0


def _rpiboot(arguments: list[str]) -> int:
    from hardware.simulator import rpiboot

    parser = argparse.ArgumentParser(
        prog="python -m hardware.simulator rpiboot",
        description="Stand in for rpiboot: wait for a simulated SOM's boot ROM and make it a USB disk.",
    )
    _add_place(parser)
    rpiboot.add_arguments(parser)
    options = parser.parse_args(arguments)
    return rpiboot.run(places.board_directory(options.data, options.board), options.path, _time_scale())


def _add_place(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("NANOPORTAL_DATA") or Path(__file__).resolve().parents[2] / "var"
    parser.add_argument("--data", metavar="DIR", type=Path, default=default, help="the portal's data directory")
    parser.add_argument("--board", metavar="NAME", default=places.DEFAULT_BOARD, help="default: demo")


def _time_scale() -> float:
    text = os.environ.get("NANOPORTAL_TIME_SCALE", "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale < float("inf"):
        raise places.PlaceError(f"NANOPORTAL_TIME_SCALE is a positive number, not {text!r}.")
    return scale


def _addresses(board: Board, server: Server) -> dict[str, object]:
    return {
        "board": board.name,
        "i2c": f"sim:{server.i2c_path}",
        "uarts": {str(number): str(slot.uart.link) for number, slot in board.slots.items() if slot.uart},
        "usb": {
            str(slot.number): f"sim:{board.directory}#{slot.usb.path}" for slot in board.slots.values() if slot.usb
        },
        "control": str(server.control_path),
        "pid": os.getpid(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
