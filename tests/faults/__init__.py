"""Broken, unusual and hostile server responses, each with a name and the valid outcomes."""

JOB, TASK, WORKFLOW = "1", "t", "7"  # ids that clients request
