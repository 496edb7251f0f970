"""`python -m bench [NAME ...]`: run all benchmarks, or the named ones."""

import sys
from importlib import import_module

from bench.figures import show, write

BENCHMARKS = ("power", "console", "flash", "switch", "audit")


def main() -> int:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}.")
        return 2
    figures = [figure for name in wanted for figure in import_module(f"bench.{name}").measure()]
    show(figures)
    write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
