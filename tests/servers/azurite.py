"""Azurite, Microsoft's emulator of Azure Blob Storage, from npm."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

from . import Server, free_port, listening, process, program

# Account from Azurite's documentation, which is valid only for the emulator.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
WRONG = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IQ=="


@contextmanager
def serve(folder: Path):
    tools = os.environ.get("AZURITE_BIN", str(Path(__file__).parents[2] / ".ci-tools" / "node_modules" / ".bin"))
    azurite = program("azurite-blob", tools)
    port = free_port()
    where = ("--location", str(folder), "--blobHost", "127.0.0.1", "--blobPort", str(port))
    quiet = ("--silent", "--skipApiVersionCheck", "--disableTelemetry")
    with process(folder, azurite, *where, *quiet, ready=lambda: listening(port)):
        options = {"connection_string": _login(port, KEY)}
        import fsspec

        fsspec.filesystem("az", **options).mkdir("frames")
        wrong = {"connection_string": _login(port, WRONG)}
        # There is no `down`, because Microsoft's driver retries for 84 seconds before the WriteError is raised.
        yield Server("az://frames", options, wrong_login=wrong, missing="az://misspelled")


def _login(port: int, key: str) -> str:
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"
