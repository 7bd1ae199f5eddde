"""faultbench: what a client of Explorer's API makes of broken answers, of signals, and of too little of everything.

``python benchmarks/faultbench mymodule:read`` prints its zeros; see README.md. Needs pandas, and the client.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))  # for the package `faults`, which the tests share

from faults import JOB, TASK, WORKFLOW

DEADLINE = 1.0  # seconds: what a client under test should set as its limit for a whole call, if it has one

__all__ = ["DEADLINE", "JOB", "TASK", "WORKFLOW"]
