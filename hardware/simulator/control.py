"""What `ctl` can ask of a running simulated board: one JSON line each way over the control socket."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hardware.simulator import ctl_switch, hands
from hardware.simulator.board import EXPANDER_ADDRESS, Board, BoardError
from hardware.simulator.bus import TransferError
from hardware.simulator.faults import KINDS, FaultError
from hardware.simulator.places import find_socket
from hardware.simulator.wire import Message

CONTROL_SOCKET = "control.sock"
#: An answer takes microseconds; a simulator that does not answer for so long is stopped or stuck.
_ANSWER_TIMEOUT_SECONDS = 10.0


class CtlError(Exception):
    """The board refused, or is not there; the text is one sentence."""


class Verb(NamedTuple):
    """One thing to ask: the parameters (those in brackets may be left out), what it does, and the doing."""

    parameters: tuple[str, ...]
    effect: str
    do: Callable[[Board, list[str]], Any]


def ask(directory: Path, verb: str, *arguments: str) -> Any:
    """Ask the simulated board whose files are in `directory`, and return its answer. Blocks up to 10 s.

    Raises CtlError when the board refuses or when no simulator runs there.
    """
    request = json.dumps({"verb": verb, "arguments": arguments}) + "\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_TIMEOUT_SECONDS)
        try:
            connection.connect(str(find_socket(directory, CONTROL_SOCKET)))
            connection.sendall(request.encode())
            with connection.makefile("rb") as answers:
                line = answers.readline()
        except OSError as error:
            raise CtlError(f"No simulated board answers in {directory}: {error.strerror or error}.") from error
    if not line:
        raise CtlError(f"The simulated board in {directory} stopped before it answered.")
    answer = json.loads(line)
    if "error" in answer:
        raise CtlError(answer["error"])
    return answer["result"]


def answer(board: Board, line: bytes) -> bytes:
    """Do what one line asks of `board` and return the line that answers it."""
    try:
        request = json.loads(line)
        reply = {"result": _do(board, str(request["verb"]), [str(argument) for argument in request["arguments"]])}
    except (BoardError, FaultError) as refusal:
        reply = {"error": str(refusal)}
    except (ValueError, TypeError, KeyError):
        reply = {"error": "The request is not a JSON object with verb and arguments."}
    return json.dumps(reply).encode() + b"\n"


def usage() -> str:
    """Return the list of verbs, one line each."""
    rows = [(" ".join((name, *verb.parameters)), verb.effect) for name, verb in VERBS.items()]
    return "\n".join(f"  {left:28} {right}" for left, right in rows)


def _do(board: Board, name: str, arguments: list[str]) -> Any:
    verb = VERBS.get(name)
    if verb is None:
        raise BoardError(f"There is no command {name!r}; there are {', '.join(VERBS)}.")
    required = [parameter for parameter in verb.parameters if not parameter.startswith("[")]
    is_open_ended = "..." in "".join(verb.parameters)
    if len(arguments) < len(required) or (len(arguments) > len(verb.parameters) and not is_open_ended):
        raise BoardError(f"The command is called with: {' '.join((name, *verb.parameters))}.")
    return verb.do(board, arguments)


def _fault(board: Board, arguments: list[str]) -> Any:
    if not arguments:
        return {" ".join((name, *kind.parameters)): kind.effect for name, kind in KINDS.items()}
    return board.inject(arguments[0], arguments[1:]).as_json()


def _clear(board: Board, arguments: list[str]) -> Any:
    return [fault.as_json() for fault in board.clear(arguments[0] if arguments else None)]


def _dump(board: Board, arguments: list[str]) -> Any:
    chip = {"pca9557": "expander", "jl6108": "switch"}.get(arguments[0], arguments[0])
    if chip not in ("expander", "switch"):
        raise BoardError(f"CHIP is expander or switch, not {arguments[0]!r}.")
    return board.dump(chip)


def _insert(board: Board, arguments: list[str]) -> Any:
    number = _slot(arguments[0])
    board.insert(number, arguments[1].upper())
    return board.state()["slots"][str(number)]


def _remove(board: Board, arguments: list[str]) -> Any:
    number = _slot(arguments[0])
    board.remove(number)
    return board.state()["slots"][str(number)]


def _os(board: Board, arguments: list[str]) -> Any:
    number, what = _slot(arguments[0]), arguments[1]
    if what not in ("hang", "panic", "shutdown"):
        raise BoardError(f"A system can hang, panic or shutdown, not {what!r}.")
    board.upset_system(number, what)
    return board.state()["slots"][str(number)]


def _overrun(board: Board, arguments: list[str]) -> Any:
    number, count = _slot(arguments[0]), arguments[1]
    if not count.isascii() or not count.isdigit() or not 0 < int(count) <= 1_000_000:
        raise BoardError(f"COUNT is a number from 1 to 1000000, not {count!r}.")
    board.overrun(number, int(count))
    return board.state()["slots"][str(number)]


def _mains_cycle(board: Board, arguments: list[str]) -> Any:
    board.cycle_mains()
    return board.state()


def _boot_button(board: Board, arguments: list[str]) -> Any:
    number, what = _slot(arguments[0]), arguments[1]
    hands.press_boot_button(board, number, _either(what, "hold", "release"))
    return board.state()["slots"][str(number)]


def _usb(board: Board, arguments: list[str]) -> Any:
    number, what = _slot(arguments[0]), arguments[1]
    hands.plug_usb(board, number, _either(what, "plug", "unplug"))
    return board.state()["slots"][str(number)]


def _reset_button(board: Board, arguments: list[str]) -> Any:
    hands.press_reset_button(board)
    return board.state()["slots"]["1"]


def _media(board: Board, arguments: list[str]) -> Any:
    number, name, size = _slot(arguments[0]), arguments[1], arguments[2]
    if not size.isascii() or not size.isdigit():
        raise BoardError(f"BYTES is a whole number, not {size!r}.")
    hands.put_medium(board, number, name, int(size))
    return board.state()["slots"][str(number)]


def _nvme(board: Board, arguments: list[str]) -> Any:
    return _media(board, [arguments[0], "nvme", *(arguments[1:] or [str(hands.NVME_BYTES)])])


def _boot_files(board: Board, arguments: list[str]) -> Any:
    hands.send_boot_files(board, arguments[0])
    return {"sent": arguments[0]}


def _either(what: str, yes: str, no: str) -> bool:
    if what not in (yes, no):
        raise BoardError(f"It is {yes} or {no}, not {what!r}.")
    return what == yes


def _foreign_write(board: Board, arguments: list[str]) -> Any:
    register, value = (_byte(argument) for argument in arguments)
    try:
        board.bus.transfer([Message.write(EXPANDER_ADDRESS, bytes([register, value]))], foreign=True)
    except TransferError as error:
        raise BoardError(f"The expander did not take the write: {error.strerror}") from error
    return board.dump("expander")


def _slot(text: str) -> int:
    if text not in ("1", "2", "3", "4", "5", "6", "7"):
        raise BoardError(f"SLOT is a number from 1 to 7, not {text!r}.")
    return int(text)


def _byte(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFF:
        raise BoardError(f"A register or value is a number from 0 to 0xff, not {text!r}.")
    return value


VERBS = {
    "state": Verb((), "show lines, SOMs, links and faults", lambda board, arguments: board.state()),
    "dump": Verb(("CHIP",), "show the registers of expander or switch", _dump),
    "fault": Verb(("[NAME]", "[...]"), "inject a fault; without a name, list them", _fault),
    "clear": Verb(("[NAME]",), "clear the faults of that name, or all", _clear),
    "insert": Verb(("SLOT", "TYPE"), "put a SOM in", _insert),
    "remove": Verb(("SLOT",), "take the SOM out", _remove),
    "os": Verb(("SLOT", "hang|panic|shutdown"), "upset the system that runs on a SOM", _os),
    "overrun": Verb(("SLOT", "COUNT"), "let a UART count that it lost input", _overrun),
    "mains-cycle": Verb((), "cut the board's power and give it back", _mains_cycle),
    "boot-button": Verb(("SLOT", "hold|release"), "hold BOOT on the SOM's adapter, or let it go", _boot_button),
    "usb": Verb(("SLOT", "plug|unplug"), "connect the SOM's Type-C to the portal's machine, or pull it", _usb),
    "reset-button": Verb((), "press RESET on the board: slot 1 starts anew", _reset_button),
    "media": Verb(("SLOT", "emmc|nvme", "BYTES"), "give the SOM a blank medium of that size; 0: none", _media),
    "nvme": Verb(("SLOT", "[BYTES]"), "put a blank NVMe drive on the SOM's adapter", _nvme),
    "boot-files": Verb(("PATH",), "do what rpiboot does to the boot ROM at that USB path", _boot_files),
    "frame": Verb(("PORT", "[...]"), ctl_switch.FRAME_USAGE, ctl_switch.send_frame),
    "link": Verb(("PORT", "MBPS"), "plug a device into the switch's port; 0 pulls it", ctl_switch.plug),
    "assume": Verb(("[NAME]", "[VALUE]"), "show or switch what the switch's model assumes", ctl_switch.assume),
    "foreign-write": Verb(("REG", "VALUE"), "write to the expander as somebody else", _foreign_write),
}
