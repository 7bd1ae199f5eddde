"""gcp-storage-emulator, which has no logins, no preconditions and no DELETE of uploads."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path

from . import Server, free_port, listening, process, program


@contextmanager
def serve(folder: Path):
    emulator = program("gcp-storage-emulator", str(Path(sys.executable).parent))
    port = free_port()
    address = ("--host=127.0.0.1", f"--port={port}")
    # Without the second variable, the first call waits a minute for Google's gRPC endpoint.
    client = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }
    with process(
        folder, emulator, "start", *address, "--in-memory", "--default-bucket=frames", ready=lambda: listening(port)
    ):
        before = {name: os.environ.get(name) for name in client}
        os.environ.update(client)
        try:
            yield Server("gs://frames", {"token": "anon", "project": "p"}, missing="gs://misspelled")
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
