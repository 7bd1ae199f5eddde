"""Stores to write to, all with one shape: whatever fsspec can reach can go through the same contract."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import pytest


@dataclass
class Store:
    """A folder in a store, as a test sees it."""

    name: str
    base: str
    options: dict[str, Any] = field(default_factory=dict)
    atomic_overwrite: bool = True
    atomic_create: bool = True

    def url(self, name: str) -> str:
        return f"{self.base}/{name}"

    def _fs(self):
        fs, path = fsspec.url_to_fs(self.base, **self.options)
        fs.invalidate_cache()
        return fs, path

    def read(self, name: str) -> bytes:
        fs, path = self._fs()
        return fs.cat_file(f"{path}/{name}")

    def put(self, name: str, content: bytes) -> None:
        fs, path = self._fs()
        if self.name == "local":
            Path(path, name).parent.mkdir(parents=True, exist_ok=True)
        fs.pipe_file(f"{path}/{name}", content)

    def names(self) -> list[str]:
        fs, path = self._fs()
        try:
            return sorted(entry["name"].removeprefix(f"{path}/") for entry in fs.ls(path, detail=True))
        except FileNotFoundError:
            return []


@pytest.fixture(scope="session")
def s3_endpoint():
    """Return the address of a mock S3 server in this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_options(s3_endpoint):
    return {"key": "canary-key", "secret": "canary-s3cret", "endpoint_url": s3_endpoint}


@pytest.fixture(scope="session")
def s3_bucket(s3_options):
    fs = fsspec.filesystem("s3", **s3_options)
    fs.mkdir("frames")
    return "s3://frames"


@pytest.fixture
def local_store(tmp_path):
    return Store("local", str(tmp_path / "out"))


@pytest.fixture
def memory_store():
    folder = uuid.uuid4().hex
    yield Store("memory", f"memory://{folder}", atomic_create=False)
    fs = fsspec.filesystem("memory")
    for path in [path for path in fs.store if path.startswith(f"/{folder}/")]:
        del fs.store[path]


@pytest.fixture
def s3_store(s3_bucket, s3_options):
    return Store("s3", f"{s3_bucket}/{uuid.uuid4().hex}", s3_options)


@pytest.fixture(params=["local", "memory", "s3"])
def store(request):
    """Lend each store in turn; add a fixture `<name>_store` and its name here to run the contract on another."""
    return request.getfixturevalue(f"{request.param}_store")
