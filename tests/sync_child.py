"""A sync in a process of its own, for tests that race or kill it."""

from __future__ import annotations

from explorer_frames import Explorer


def sync_in_child(url, token, workflow, folder, options, connection):  # noqa: PLR0917
    """Say "begun", wait for a word, sync, and send what the report counts."""
    with Explorer(url, token=token) as explorer:
        connection.send("begun")
        connection.recv()
        report = explorer.sync_workflow(workflow, folder, storage_options=options, progress=False, workers=2)
        connection.send({kind: sorted(part.path for part in getattr(report, kind)) for kind in ("written", "skipped")})
