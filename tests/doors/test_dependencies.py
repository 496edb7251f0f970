"""The audit of what we install: it tells of what is known, and says plainly when it could not ask."""

import json
import subprocess
import sys
from importlib import util
from types import ModuleType

import pytest

from tests.simulated import PROJECT

FILE = PROJECT / ".ci" / "audit.py"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = util.spec_from_file_location("audit_of_dependencies", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_is_pinned(audit: ModuleType) -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        found, loose = audit.pins((PROJECT / name).read_text().splitlines())
        assert loose == []
        assert len(found) > 5
    assert audit.pins(["a>=1  # why", "B_c[x]==2.0  # why"]) == ({"b-c": "2.0"}, ["a>=1"])


def test_a_vulnerable_package_is_named_and_an_accepted_one_is_not(audit: ModuleType, monkeypatch) -> None:
    def ask(body: bytes) -> bytes:
        known = {"django": [{"id": "CVE-1"}, {"id": "CVE-2"}]}
        queries = json.loads(body)["queries"]
        assert queries[0] == {"package": {"name": "attrs", "ecosystem": "PyPI"}, "version": "1"}
        return json.dumps({"results": [{"vulns": known.get(q["package"]["name"], [])} for q in queries]}).encode()

    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-2": "we do not use that part"})
    assert audit.vulnerable({"django": "5.2", "attrs": "1"}, ask) == ["django 5.2: CVE-1"]


def test_what_browsers_are_sent_is_asked_about_too(audit: ModuleType) -> None:
    def ask(body: bytes) -> bytes:
        queries = json.loads(body)["queries"]
        assert {query["package"]["ecosystem"] for query in queries} == {"npm"}
        return json.dumps({"results": [{"vulns": [{"id": query["package"]["name"]}]} for query in queries]}).encode()

    found = audit.vulnerable(audit.sent(), ask, "npm")
    assert [line.split(" ")[0] for line in found] == ["@xterm/addon-fit", "@xterm/addon-search", "@xterm/xterm"]


def test_without_a_network_it_says_so_and_keeps_nobody_from_working() -> None:
    code = (
        "import runpy, urllib.request, sys\n"
        "def away(*given, **more): raise OSError('no network')\n"
        "urllib.request.urlopen = away\n"
        f"sys.argv = ['audit']; runpy.run_path({str(FILE)!r}, run_name='__main__')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "were NOT looked up" in said.stdout, said.stderr
    assert said.returncode == 0, said.stdout
