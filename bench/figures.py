"""One measured figure, the table that people read and the file that programs read."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results.json"


@dataclass(frozen=True)
class Figure:
    """A value with its unit, how many samples it rests on, and what it is to be compared with."""

    name: str
    value: float
    unit: str
    samples: int
    baseline: dict[str, float] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        first = next(iter(self.baseline.values()), None)
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "samples": self.samples,
            "baseline": {name: round(value, 3) for name, value in self.baseline.items()},
            "ratio": round(self.value / first, 3) if first else None,
            "machine": machine(),
        }


def machine() -> str:
    """What this was measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def percentile(samples: Sequence[float], percent: int) -> float:
    """The value below which `percent` of the samples lie (inclusive method)."""
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def percentiles(
    name: str, samples: list[float], baseline_name: str = "", baseline: list[float] | None = None
) -> list[Figure]:
    """p50 and p99 of `samples` in milliseconds, beside the same of `baseline`."""
    return [
        Figure(
            f"{name}.p{percent}",
            percentile(samples, percent),
            "ms",
            len(samples),
            {baseline_name: percentile(baseline, percent)} if baseline else {},
        )
        for percent in (50, 99)
    ]


def show(figures: list[Figure]) -> None:
    """Print one table."""
    print(f"\n{machine()}, {datetime.now():%Y-%m-%d %H:%M}, load {os.getloadavg()[0]:.2f}\n")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        beside = ", ".join(f"{name} {value:.2f}" for name, value in figure.baseline.items())
        print(f"{figure.name:<{width}}  {figure.value:>10.2f} {figure.unit:<8} n={figure.samples:<5} {beside}")


def write(figures: list[Figure]) -> None:
    """Record the figures, in place of older ones of the same name."""
    rows = {row["name"]: row for row in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    rows |= {figure.name: figure.as_row() for figure in figures}
    RESULTS.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
