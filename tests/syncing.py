"""A server with a workflow to sync, and functions to compare synced folders."""

from __future__ import annotations

import json
import re

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from explorer_frames import Explorer, SyncReport

SPOOL = re.compile(r"(.*/)?[.][^/]*[0-9a-f]{32}[.]tmp")
ROWS = 50


class World:
    """Server with a workflow of jobs."""

    def __init__(self, server) -> None:
        self.server = server
        self.explorer = Explorer(server.url, token=server.token, retries=0)
        self.jobs: list[int] = []
        self._seen = len(server.requests)
        server._added = None  # starts a new workflow

    def add(self, jobs: int, names=("PageRank", "Louvain")):
        for job in self.server.add_jobs(jobs):
            self.jobs.append(job)
            for name in names:
                ids = [f"v{job}-{number}" for number in range(ROWS)]
                second = ids if name == "Louvain" else [str(number / 8) for number in range(ROWS)]
                self.server.add_result([ids, second], name, job_id=job)
        return self

    @property
    def workflow(self) -> int:
        return self.server.workflows["results"]

    def sync(self, url, **options) -> SyncReport:
        return self.explorer.sync_workflow(self.workflow, url, **{"progress": False} | options)

    def asked(self) -> dict[str, int]:
        """Count the requests since the previous call, by kind."""
        paths = self.server.requests[self._seen :]
        self._seen += len(paths)
        kinds = {"list": r"/workflows/\d+/jobs", "job": r"/jobs/\d+$", "result": r"/sample_result"}
        counts = {kind: sum(bool(re.search(kind_path, one.path)) for one in paths) for kind, kind_path in kinds.items()}
        assert sum(counts.values()) == len(paths)
        return counts


def tree(url, options=None) -> dict[str, bytes]:
    """Return all files of a folder, except temporary files of killed processes."""
    fs, path = fsspec.url_to_fs(str(url), **(options or {}))
    fs.invalidate_cache()
    names = {name.removeprefix(f"{path}/"): name for name in fs.find(path)}
    return {name: fs.cat_file(full) for name, full in names.items() if not SPOOL.fullmatch(name)}


def meaning(files: dict[str, bytes]) -> dict[str, object]:
    """Return the content of files, without values that depend on the time of reading."""

    def said(name, content):
        if not name.endswith(".parquet"):
            return json.loads(content)
        if name.startswith("_runs/"):  # the size depends on the time in the provenance
            return pq.read_table(pa.BufferReader(content)).drop_columns(["bytes"])
        return pq.read_table(pa.BufferReader(content)).replace_schema_metadata(None)

    return {name: said(name, content) for name, content in files.items()}


def storage(store):
    return {"storage_options": store.options} if store.options else {}
