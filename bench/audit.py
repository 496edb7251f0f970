"""The audit log with a million entries: how long a whole verification takes and in how much memory, how soon a page of
entries is there, and how long retention keeps others waiting."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.figures import Figure, percentile
from bench.power import workspace

ENTRIES = int(os.environ.get("BENCH_AUDIT_ENTRIES", 1_000_000))
PROJECT = Path(__file__).resolve().parent.parent


def measure() -> list[Figure]:
    """All figures of this benchmark. Takes some five minutes, and 1.3 GB of the temporary directory."""
    with workspace() as folder:
        filled = step("fill", folder)
        verified = step("verify", folder)
        listed = step("listing", folder)
        exported = step("export", folder)
        retained = step("retain", folder)["held"]
    slowest = {"like": max(listed["like"])}
    return [
        Figure("audit.million.verify_s", verified["seconds"], "s", 1, {"read_and_sign": verified["signing"]}),
        Figure("audit.million.peak_mib", verified["peak"], "MiB", 1, {"before": verified["before"]}),
        Figure("audit.million.list_p99_ms", percentile(listed["pages"], 99), "ms", len(listed["pages"]), slowest),
        Figure("audit.million.list_p50_ms", percentile(listed["pages"], 50), "ms", len(listed["pages"])),
        Figure("audit.million.export_s", exported["seconds"], "s", 1),
        Figure("audit.million.export_peak_mib", exported["peak"], "MiB", 1, {"before": verified["before"]}),
        Figure("audit.million.retain_hold_s", max(retained), "s", len(retained)),
        Figure("audit.million.bytes_an_entry", filled["bytes"] / ENTRIES, "B", ENTRIES),
        Figure("audit.million.fill_s", filled["seconds"], "s", 1),
    ]


def step(name: str, folder: Path) -> Any:
    """What one step measured; each is a process, so that its memory is its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NANOPORTAL_", "DATABASE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "bench.audit_log", name, str(ENTRIES)],
        cwd=PROJECT,
        env={**environment, "NANOPORTAL_DATA": str(folder)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)
