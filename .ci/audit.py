"""Whether a package that we install, or send to browsers, is known to be vulnerable: two questions to osv.dev, as a
part of `make lint`.

Without a network it says so and passes, since nobody's work should wait for one. What can be known without is checked
always: every requirement is pinned, and what is installed is what is pinned.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SERVICE = "https://api.osv.dev/v1/querybatch"
WAITS_SECONDS = 15
#: Known, and judged to be none of ours: the identifier and why.
ACCEPTED: dict[str, str] = {}
PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==([^\s;#]+)")


def pins(lines: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """What requirement files pin, name -> version, and the lines that pin nothing."""
    found, loose = {}, []
    for line in lines:
        text = line.partition(" #")[0].strip()
        if not text or text.startswith(("#", "-r ", "--")):
            continue
        match = PIN.match(text)
        if match:
            found[plain(match[1])] = match[2]
        else:
            loose.append(text)
    return found, loose


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, str]:
    """Everything in this environment, what our requirements need in turn among it."""
    return {plain(one.metadata["Name"]): one.version for one in metadata.distributions()}


def sent() -> dict[str, str]:
    """What browsers get beside our own files: the terminal's packages."""
    packages = json.loads((PROJECT / "package-lock.json").read_text())["packages"]
    return {path.removeprefix("node_modules/"): one["version"] for path, one in packages.items() if path}


def ask(body: bytes) -> bytes:
    """One request. Raises OSError."""
    request = urllib.request.Request(SERVICE, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAITS_SECONDS) as answer:
        return bytes(answer.read())


def vulnerable(packages: dict[str, str], ask: Callable[[bytes], bytes] = ask, ecosystem: str = "PyPI") -> list[str]:
    """A line for each package with known vulnerabilities. Raises OSError, ValueError for an answer that is none."""
    names = sorted(packages)
    queries = [{"package": {"name": name, "ecosystem": ecosystem}, "version": packages[name]} for name in names]
    results = json.loads(ask(json.dumps({"queries": queries}).encode()))["results"]
    found = []
    for name, result in zip(names, results, strict=True):
        known = [one["id"] for one in result.get("vulns", []) if one["id"] not in ACCEPTED]
        if known:
            found.append(f"{name} {packages[name]}: {', '.join(known)}")
    return found


def main() -> int:
    lines = [line for name in ("requirements.txt", "requirements-dev.txt") for line in (PROJECT / name).open()]
    pinned, loose = pins(lines)
    here = installed()
    complaints = [f"{line} is not pinned" for line in loose]
    complaints += [
        f"{name} is installed as {here[name]}, and pinned as {version}"
        for name, version in pinned.items()
        if here.get(name, version) != version
    ]
    try:
        complaints += vulnerable(here) + vulnerable(sent(), ecosystem="npm")
    except (OSError, ValueError, KeyError) as error:
        print(f"Dependencies were NOT looked up: {SERVICE} gave no answer ({error}). Try again with a network.")
    for complaint in complaints:
        print(f"dependency: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
