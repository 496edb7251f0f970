"""`ctl frame`, `ctl link` and `ctl assume`: frames through the simulated switch, and what its model assumes."""

from typing import Any

from hardware.simulator import net
from hardware.simulator.board import Board, BoardError
from hardware.simulator.switch_assumptions import AssumptionError

FRAME_USAGE = "let a frame into port 1-9: --vid V | --tags V[:PCP],… | --untagged, --src MAC, --dst MAC"
#: A board's uplink, and the chip's own processor behind port 9.
_UPLINK_PORT = 8
_SPEEDS = (0, 10, 100, 1000)


def send_frame(board: Board, arguments: list[str]) -> list[dict[str, Any]]:
    """Let a frame in at a port and return where it leaves and with which tags. Raises BoardError.

    Without addresses it is a broadcast from an address that tells the port. What is dropped, and why, is in the trace.
    """
    port = _number(arguments[0], "PORT", 1, net.CPU_PORT)
    frame = _frame(port, arguments[1:])
    if port != net.CPU_PORT and not board.switch.links()[port]:
        raise BoardError(f"Port {port} has no link, so no frame comes in there; `ctl link {port} 1000` gives it one.")
    copies = net.forward(board.switch, port, frame)
    drops = [f"port {core - 1}: {why}" if core else why for core, why in board.switch.forwarder.last_drops]
    board.trace.record(frame=port, tags=_tags(frame), out=[[to, _tags(copy)] for to, copy in copies], dropped=drops)
    return [{"port": to, "behind": _behind(to), "tags": _tags(copy)} for to, copy in copies]


def plug(board: Board, arguments: list[str]) -> dict[int, int]:
    """Say what is at the other end of a port's cable, whatever is in its slot; return the links. Raises BoardError."""
    port, mbps = _number(arguments[0], "PORT", 1, 8), _number(arguments[1], "MBPS", 0, 1000)
    if mbps not in _SPEEDS:
        raise BoardError(f"MBPS is one of {', '.join(map(str, _SPEEDS))}, not {mbps}.")
    board.switch.set_partner(port, mbps)
    return board.switch.links()


def assume(board: Board, arguments: list[str]) -> dict[str, dict[str, str]]:
    """Show all assumptions, or one, or switch one. Raises BoardError."""
    try:
        if len(arguments) == 2:
            board.switch.assumptions.assume(*arguments)
        return board.switch.assumptions.as_json(arguments[0] if arguments else None)
    except AssumptionError as refusal:
        raise BoardError(str(refusal)) from refusal


def _frame(port: int, options: list[str]) -> net.Frame:
    frame, words = net.Frame(src=0x020000000000 | port), iter(options)
    for word in words:
        if word == "--untagged":
            frame = frame._replace(tags=())
            continue
        value = next(words, None)
        if value is None or word not in ("--vid", "--tags", "--src", "--dst"):
            raise BoardError(f"The command is called with: frame PORT, then {FRAME_USAGE.partition(': ')[2]}.")
        if word == "--vid":
            frame = frame._replace(tags=(_tag(value),))
        elif word == "--tags":
            frame = frame._replace(tags=tuple(_tag(tag) for tag in value.split(",")))
        elif word == "--src":
            frame = frame._replace(src=_mac(value))
        else:
            frame = frame._replace(dst=_mac(value))
    return frame


def _tag(text: str) -> net.Tag:
    """Return the tag that 10, 10:3 or s10:3 stands for: VID and priority, an S-tag with the letter."""
    tpid = net.S_TAG if text.startswith("s") else net.C_TAG
    vid, _, pcp = text.removeprefix("s").partition(":")
    return net.Tag(_number(vid, "VID", 0, 4095), _number(pcp or "0", "PCP", 0, 7), tpid=tpid)


def _tags(frame: net.Frame) -> list[str]:
    """Return tags as they are written on the command line."""
    return [f"{'s' if tag.tpid == net.S_TAG else ''}{tag.vid}{f':{tag.pcp}' if tag.pcp else ''}" for tag in frame.tags]


def _behind(port: int) -> str:
    if port == net.CPU_PORT:
        return "switch"
    return "uplink" if port == _UPLINK_PORT else f"slot {8 - port}"


def _mac(text: str) -> int:
    try:
        return net.parse_mac(text)
    except ValueError as problem:
        raise BoardError(str(problem)) from problem


def _number(text: str, what: str, lowest: int, highest: int) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise BoardError(f"{what} is a number from {lowest} to {highest}, not {text!r}.")
    return int(text)
