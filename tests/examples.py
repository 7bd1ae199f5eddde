"""Run the examples of the how-to pages against a sandbox, without long waits."""

from __future__ import annotations

import importlib.util
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.rawserver import RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
TASKS = {"analytics_pagerank_1": ("PageRank", {}), "analytics_louvain_1": ("Louvain", {})}
LAKE = "s3://lake/graph"


def load(name: str, folder: Path, changes: dict[str, str]) -> Any:
    """Import a copy of an example, with some of its text replaced."""
    code = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in code, old
        code = code.replace(old, new)
    path = folder / name
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dlt looks up decorated functions here
    spec.loader.exec_module(module)
    return module


@contextmanager
def unreliable(url: str, loses: Callable[[bytes], bool]) -> Iterator[RawServer]:
    """Run a proxy for a sandbox that drops the responses to some requests."""
    host, _, port = url.removeprefix("http://").rpartition(":")

    def passed_on(_: int, request: bytes) -> bytes:
        with socket.create_connection((host, int(port))) as behind:
            behind.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
            answer = b"".join(iter(lambda: behind.recv(65536), b""))
        return b"" if loses(request.split(b"\r\n", 1)[0]) else answer

    with RawServer(passed_on) as server:
        yield server


def landed(lake: Path) -> list[str]:
    """Return the results in a lake, as task and job."""
    files = (path for path in lake.glob("*/*.parquet") if not path.parent.name.startswith("_"))
    return sorted(f"{path.parent.name}/{path.stem.partition('-')[0]}" for path in files)
