"""Broken, odd and hostile answers of a server, each with a name and with what a client may make of it."""

JOB, TASK, WORKFLOW = "1", "t", "7"  # the ids that a client requests
