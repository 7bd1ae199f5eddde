"""Fault-injection benchmark for clients of Explorer's API: ``python benchmarks/faultbench mymodule:read``.

See README.md. Requires pandas and the client.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))  # for the package `faults`, shared with the tests

from faults import JOB, TASK, WORKFLOW

DEADLINE = 1.0  # seconds; maximum duration of a call, if the client supports one

__all__ = ["DEADLINE", "JOB", "TASK", "WORKFLOW"]
