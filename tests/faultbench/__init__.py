"""faultbench: what a client of Explorer's API makes of some hundred broken, odd and hostile answers.

``python -m faultbench mymodule:read`` prints its seven zeros; see README.md. Needs pandas, and the client.
"""

DEADLINE = 1.0  # seconds: what a client under test should set as its limit for a whole call, if it has one
JOB, TASK, WORKFLOW = "1", "t", "7"  # what is asked for

__all__ = ["DEADLINE", "JOB", "TASK", "WORKFLOW"]
