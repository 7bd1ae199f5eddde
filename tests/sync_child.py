"""Sync in a separate process, for tests that kill a sync or run several at once."""

from __future__ import annotations

from explorer_frames import Explorer


def sync_in_child(url, token, workflow, folder, options, connection):  # noqa: PLR0917
    """Send "begun", wait for a message, sync, and send the paths in the report."""
    with Explorer(url, token=token) as explorer:
        connection.send("begun")
        connection.recv()
        report = explorer.sync_workflow(workflow, folder, storage_options=options, progress=False, workers=2)
        connection.send({kind: sorted(part.path for part in getattr(report, kind)) for kind in ("written", "skipped")})
