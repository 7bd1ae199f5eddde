"""Measure one client in a new process, and print time, CPU time, memory and a digest of the result as JSON.

Run ``python child.py <client> <server URL> <body name> <folder> [no-digest]``, or call `run` from another process.
Imports that all clients need are not measured. Imports during the call are.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MB = 1e6
_WARM = 2**22 - 2**16  # doubles, just below glibc's limit for memory that it retains


def run(*arguments: str, script: str = __file__) -> Any:
    """Run a script in a new process with the same `explorer_frames`, and return the JSON that it prints."""
    command = [sys.executable, script, *arguments]
    return json.loads(subprocess.run(command, env=_environment(), stdout=subprocess.PIPE, check=True).stdout)


def _environment() -> dict[str, str]:
    found = importlib.util.find_spec("explorer_frames")
    if found is None or found.origin is None:
        raise SystemExit("explorer_frames is not installed and is not on PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    paths = [str(Path(found.origin).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def main() -> None:
    way, url, name, folder, *quick = sys.argv[1:]
    call = _ways(url, name, folder)[way]
    before = _resident()
    figures, answer = timed(call)
    figures["mb"] = (_peak() - before) / _MB
    print(json.dumps({**figures, "digest": None if quick else _digest(answer)}))


def timed(call: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the time and CPU time of a call in seconds, and its result."""
    cpu, begun = time.process_time(), time.perf_counter()
    answer = call()
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}, answer


def warm() -> None:
    """Make glibc retain 32 MB, so that repeated allocations do not cause page faults."""
    import numpy as np

    np.ones(_WARM)


def _ways(url: str, name: str, folder: str) -> dict[str, Callable[[], Any]]:
    """Return the clients by name. Exports return the path of the file."""
    import pyarrow.feather
    import pyarrow.parquet  # noqa: F401 (used by all clients)
    import ways

    from explorer_frames import Explorer

    def to_file(export: Callable[..., None], given: Any, suffix: str) -> str:
        target = str(Path(folder, f"result{suffix}"))
        export(given, name, target)
        return target

    def explorer() -> Explorer:
        return Explorer(url, token="benchmark", deadline=None, row_cap=10**9)

    return {
        "explorer_frames": lambda: ways.ours_read(explorer(), name),
        "explorer_frames, arrow": lambda: ways.ours_read_arrow(explorer(), name),
        "explorer_frames, parquet": lambda: to_file(ways.ours_export, explorer(), ".parquet"),
        "explorer_frames, feather": lambda: to_file(ways.ours_export, explorer(), ".feather"),
        "requests, json, pandas": lambda: ways.json_read(url, name),
        "requests, json, pandas, parquet": lambda: to_file(ways.json_export, url, ".parquet"),
        "requests, orjson, pandas": lambda: ways.orjson_read(url, name),
        "requests, msgspec, pandas": lambda: ways.msgspec_read(url, name),
        "requests, polars": lambda: ways.polars_read(url, name),
        "requests, DuckDB": lambda: ways.duckdb_read(url, name),
        "requests, pyarrow.json": lambda: ways.pyarrow_read(url, name),
        "requests, bytes only": lambda: ways.bare_read(url, name),
        ways.STREAM: lambda: ways.stream_read(url, name),
    }


def _digest(answer: Any) -> str | None:
    """Return the number of rows and a hash of the values. None for bytes."""
    import pandas as pd

    if isinstance(answer, bytes):
        return None
    if isinstance(answer, str):
        answer = (pd.read_parquet if answer.endswith(".parquet") else pd.read_feather)(answer)
    frame = answer if isinstance(answer, pd.DataFrame) else answer.to_pandas()
    frame = frame.astype({name: "str" for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])})
    return f"{len(frame)} rows, {int(pd.util.hash_pandas_object(frame, index=False).sum()):x}"


def _resident() -> int:
    """Return the resident memory in bytes. Outside Linux, return the peak."""
    return _status("VmRSS:") or _peak()


def _peak() -> int:
    """Return the peak of the resident memory in bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    # ru_maxrss can include the parent process from before exec. VmHWM does not.
    return _status("VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(name: str) -> int | None:
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)


if __name__ == "__main__":
    main()
