"""The terminal's files: taken out of what the lock names, and of nothing else."""

import base64
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from nanoportal import terminal_files
from nanoportal.terminal_files import TAKEN, FilesMissing, obtain

PROJECT = Path(__file__).resolve().parents[2]


class Registry:
    """An npm on PATH that brings packages of our own, and the project that locks them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.project = folder, folder / "project"
        self.project.mkdir()
        (self.project / ".npmrc").write_text("ignore-scripts=true\n")
        self.locked = {}
        for number, (package, files) in enumerate(TAKEN.items()):
            archive = self.pack(f"{number}.tgz", {path: f"{package} {path}".encode() for path in files})
            digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            entry = {"version": f"1.0.{number}", "integrity": f"sha512-{digest}"}
            self.locked[f"node_modules/{package}"] = entry
        (self.project / "package-lock.json").write_text(json.dumps({"packages": self.locked}))
        npm = folder / "bin" / "npm"
        npm.parent.mkdir()
        npm.write_text(f'#!/bin/sh\ncp "{folder}/${{3##*.}}.tgz" .\n')  # npm pack --silent NAME@1.0.N
        npm.chmod(0o755)

    def pack(self, name: str, files: dict[str, bytes]) -> Path:
        path = self.folder / name
        with tarfile.open(path, "w:gz") as archive:
            for inside, data in files.items():
                row = tarfile.TarInfo(f"package/{inside}")
                row.size = len(data)
                archive.addfile(row, io.BytesIO(data))
        return path


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Registry:
    made = Registry(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    return made


def test_exactly_the_files_that_pages_need_are_taken_out(registry, tmp_path):
    obtain(tmp_path / "terminal", registry.project)
    names = {name for files in TAKEN.values() for name in files.values()}
    assert {path.name for path in (tmp_path / "terminal").iterdir()} == names
    assert (tmp_path / "terminal" / "fit.js").read_text() == "@xterm/addon-fit lib/addon-fit.mjs"


def test_an_archive_that_the_lock_does_not_name_is_not_used(registry, tmp_path):
    (tmp_path / "terminal").mkdir()
    (tmp_path / "terminal" / "xterm.js").write_text("the one before")
    registry.pack("1.tgz", {"lib/addon-fit.mjs": b"another"})
    with pytest.raises(FilesMissing, match=r"1\.tgz is not what package-lock\.json names: nothing of it was used\."):
        obtain(tmp_path / "terminal", registry.project)
    assert (tmp_path / "terminal" / "xterm.js").read_text() == "the one before"


def test_a_file_that_is_missing_in_its_package_is_named(tmp_path):
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(FilesMissing, match=r"a\.tgz holds no lib/x\.js\."):
        terminal_files.take_out(archive, {"lib/x.js": "x.js"}, tmp_path)


def test_an_npm_that_fails_is_quoted(registry, tmp_path):
    (tmp_path / "bin" / "npm").write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    with pytest.raises(FilesMissing, match="no network"):
        obtain(tmp_path / "terminal", registry.project)


def test_the_lock_names_the_versions_that_are_asked_for_and_no_place_to_fetch_them_from():
    wanted = json.loads((PROJECT / "package.json").read_text())["dependencies"]
    text = (PROJECT / "package-lock.json").read_text()
    locked = json.loads(text)["packages"]
    assert wanted == {name: locked[f"node_modules/{name}"]["version"] for name in TAKEN}
    assert "resolved" not in text
    assert "http" not in text
