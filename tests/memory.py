"""Measure the memory that a call adds, in a separate process."""

from __future__ import annotations

import subprocess
import sys

from limits import PROCESS

_HELPERS = '''
import numpy as np, pyarrow as pa

def peak():
    """Return the most memory that this process has held, in MiB."""
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024

def players(rows, step=50_000):
    """Return a reader that makes its rows as they are read."""
    def batches():
        for start in range(0, rows, step):
            ids = np.char.add("player", np.arange(start, start + step).astype("U8"))
            yield pa.record_batch([pa.array(ids), np.random.default_rng(start).random(step)], names=["id", "score"])

    schema = pa.schema([("id", pa.string()), ("score", pa.float64())])
    return pa.RecordBatchReader.from_batches(schema, batches())
'''


def memory_added(script: str, *arguments: object) -> float:
    """Run a script that prints a difference of `peak()` in MiB, and return the difference."""
    command = [sys.executable, "-c", _HELPERS + script, *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, timeout=PROCESS, check=True).stdout)
