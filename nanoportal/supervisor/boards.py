"""The boards of this installation as the supervisor needs them: which there are, and if one has to be simulated."""

import json
from pathlib import Path
from typing import Any

from nanoportal.env import Env

DEMO = "demo"
DEMO_HEADER = (
    "# The simulated board; written anew at every start of the portal. Board files of your own in this directory\n"
    "# take its place.\n"
)
EXPANDER_ADDRESS = "0x18"
SWITCH_ADDRESS = "0x5C"


def board_files(env: Env) -> list[Path]:
    """The board files that somebody wrote; without any, and unless they were looked for, the board is simulated."""
    return sorted(path for path in env.boards.glob("*.toml") if not _is_ours(path))


def _is_ours(path: Path) -> bool:
    return path.stem == DEMO and path.read_text(encoding="utf-8").startswith(DEMO_HEADER)


def demo_file(env: Env) -> Path:
    return env.boards / f"{DEMO}.toml"


def write_demo_file(env: Env, addresses: dict[str, Any]) -> None:
    """Make a board file of what the simulator printed about itself. Raises OSError."""
    path = demo_file(env)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(_demo_text(addresses), encoding="utf-8")
    draft.replace(path)


def _demo_text(addresses: dict[str, Any]) -> str:
    bus = _quoted(addresses["i2c"])
    lines = [
        *(DEMO_HEADER, 'name = "Simulated NanoCluster"', 'supply = "usb-c-60"', "simulated = true"),
        *("", "[i2c]", f"bus = {bus}", f'expander = "{EXPANDER_ADDRESS}"'),
        *("", "[switch]", f"bus = {bus}", f'address = "{SWITCH_ADDRESS}"'),
    ]
    for slot, usb in addresses["usb"].items():
        lines += ["", f"[slots.{slot}]", f"usb = {_quoted(usb)}"]
        if slot in addresses["uarts"]:
            lines.append(f"uart = {_quoted(addresses['uarts'][slot])}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of its."""
    return json.dumps(text)


def remove_demo_file(env: Env) -> None:
    """Forget the simulated board once there are real ones."""
    path = demo_file(env)
    if path.exists() and _is_ours(path):
        path.unlink()
