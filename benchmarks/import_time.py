"""Measure the import time of `explorer_frames` without its dependencies.

Each sample is a new process that imports pandas, pyarrow, requests and fsspec first. `import explorer_frames` loads
other modules on the first use of a name, so the first use is also measured. Times are in milliseconds. The goal is at
most 30 ms for both.

    python benchmarks/import_time.py
"""

from __future__ import annotations

import argparse
import compileall
import json
import sys
import time
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median

import child

_CHILD, _STEPS = "--child", "--steps"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=15)
    samples = measure(parser.parse_args().samples)
    for name in ("dependencies", "explorer_frames", "first use"):
        values = [sample[name] for sample in samples]
        print(f"{name:16} {median(values):6.1f} ms ({min(values):.1f}-{max(values):.1f})")


def measure(count: int) -> list[dict[str, float]]:
    """Return `count` samples, after compiling the bytecode and a first run that fills the caches."""
    compileall.compile_dir(Path(find_spec("explorer_frames").origin).parent, quiet=1)
    return [child.run(_CHILD, script=__file__) for _ in range(count + 1)][1:]


def steps() -> dict[str, int]:
    """Count executed lines and calls of the import and the first use, and other modules that they load."""
    return child.run(_STEPS, script=__file__)


def _count_steps() -> None:
    import fsspec  # noqa: F401
    import pandas as pd  # noqa: F401
    import pyarrow as pa  # noqa: F401
    import requests  # noqa: F401

    before, steps = set(sys.modules), 0

    def count(_frame: object, event: str, _argument: object) -> object:
        nonlocal steps
        steps += event in ("call", "c_call", "line")
        return count

    sys.setprofile(count)
    sys.settrace(count)
    from explorer_frames import Explorer, read_output, write_parquet  # noqa: F401

    sys.settrace(None)
    sys.setprofile(None)
    others = [name for name in set(sys.modules) - before if name.partition(".")[0] != "explorer_frames"]
    print(json.dumps({"steps": steps, "others": len(others)}))


def _import_both() -> None:
    start = time.perf_counter()
    import fsspec  # noqa: F401
    import pandas as pd  # noqa: F401
    import pyarrow as pa  # noqa: F401
    import requests  # noqa: F401

    between = time.perf_counter()
    import explorer_frames  # noqa: F401

    imported = time.perf_counter()
    from explorer_frames import Explorer, read_output, write_parquet  # noqa: F401

    times = (start, between, imported, time.perf_counter())
    names = ("dependencies", "explorer_frames", "first use")
    print(json.dumps({name: (end - begin) * 1000 for name, (begin, end) in zip(names, pairwise(times), strict=True)}))


if __name__ == "__main__":
    _import_both() if _CHILD in sys.argv else _count_steps() if _STEPS in sys.argv else main()
