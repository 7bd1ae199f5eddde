"""WsgiDAV in a separate process: one share with write access, and a read-only share."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path

from . import Server, free_port, listening, process, program


@contextmanager
def serve(folder: Path):
    wsgidav = program("wsgidav", str(Path(sys.executable).parent))
    files = folder / "files"
    files.mkdir()
    port = free_port()
    users = {"ann": {"password": "dav-s3cret"}}
    conf = folder / "wsgidav.json"
    conf.write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "port": port,
                "provider_mapping": {"/files": str(files), "/fixed": {"root": str(files), "readonly": True}},
                "simple_dc": {"user_mapping": {"*": users}},
                "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            }
        )
    )
    with process(folder, wsgidav, "--config", str(conf), ready=lambda: listening(port)):
        base = f"http://127.0.0.1:{port}"
        login = {"auth": ("ann", "dav-s3cret")}
        yield Server(
            "webdav://frames",
            {"base_url": f"{base}/files", **login},
            read_only=("webdav://frames", {"base_url": f"{base}/fixed", **login}),
            wrong_login={"base_url": f"{base}/files", "auth": ("ann", "wr0ng-s3cret")},
            missing=None,
            down={"base_url": "http://127.0.0.1:1/files", **login},
        )
