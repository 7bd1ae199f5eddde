"""Ceph's RADOS Gateway: an S3 server with one monitor and one object store in memory."""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from . import Server, as_root, free_port, listening, process, program, run

if TYPE_CHECKING:
    from pathlib import Path

CONF = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = v1:127.0.0.1:{port}
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/$name.log
pid file = {folder}/run/$name.pid
mon data avail warn = 1
mon data avail crit = 0
keyring = {folder}/keyring
rgw dynamic resharding = false
"""

_TRIES, _PAUSE = 20, 0.3  # number of attempts, and seconds between them


@contextmanager
def serve(folder: Path):
    as_root()
    mon, osd, gateway = program("ceph-mon"), program("ceph-osd"), program("radosgw")
    ceph, admin = program("ceph"), program("radosgw-admin")
    for name in ("mon", "osd", "run"):
        (folder / name).mkdir()
    (folder / "keyring").touch()
    port, monitor_port = free_port(), free_port()
    conf = folder / "ceph.conf"
    conf.write_text(CONF.format(folder=folder, fsid=uuid.uuid4(), port=monitor_port))
    options = ("-c", str(conf))
    number = str(uuid.uuid4())
    with ExitStack() as stack:
        monitor = (*options, "-i", "a", f"--public-addr=v1:127.0.0.1:{monitor_port}")
        run(mon, *monitor, "--mkfs")
        stack.enter_context(process(folder, mon, *monitor, "-f", ready=lambda: listening(monitor_port)))
        _ask(ceph, *options, "osd", "new", number)
        run(osd, *options, "-i", "0", "--mkfs", "--osd-uuid", number)
        _start_osd(stack, folder, (osd, *options, "-i", "0", "-f"), (ceph, *options, "osd", "stat", "-f", "json"))
        rgw = ("-n", "client.rgw", f"--rgw-data={folder}/rgw")
        front = f"--rgw-frontends=beast endpoint=127.0.0.1:{port}"
        up = stack.enter_context  # responds after its pools are created
        up(process(folder, gateway, *options, *rgw, front, "-f", ready=lambda: listening(port)))
        for user in ("owner", "guest"):
            keys = (f"--access-key={user}-key", f"--secret-key={user}-s3cret")
            run(admin, *options, *rgw, "user", "create", f"--uid={user}", f"--display-name={user}", *keys)
        yield _server(f"http://127.0.0.1:{port}")


def _ask(*command: str) -> str:
    """Run a command on the monitor; retry if it fails because the cluster is not ready."""
    for _ in range(_TRIES):
        with suppress(PermissionError):
            return run(*command)
        time.sleep(_PAUSE)
    return run(*command)


def _start_osd(stack: ExitStack, folder: Path, command: tuple[str, ...], ask: tuple[str, ...]) -> None:
    """Start the object store; retry if the cluster is not ready."""
    for left in reversed(range(_TRIES)):
        try:
            stack.enter_context(process(folder, *command, ready=lambda: '"num_up_osds":1' in _ask(*ask)))
        except RuntimeError as error:
            if not left or "wrong fsid" not in str(error):
                raise
            time.sleep(_PAUSE)
        else:
            return


def _server(endpoint: str) -> Server:
    import fsspec

    def options(user: str) -> dict[str, str]:
        return {"key": f"{user}-key", "secret": f"{user}-s3cret", "endpoint_url": endpoint}

    fs = fsspec.filesystem("s3", **options("owner"))
    fs.mkdir("frames")
    fs.chmod("frames", "public-read")  # the guest may read but not write
    return Server(
        "s3://frames",
        options("owner"),
        read_only=("s3://frames", options("guest")),
        wrong_login=options("owner") | {"secret": "wr0ng-s3cret"},
        missing="s3://misspelled",
        down=options("owner") | {"endpoint_url": "http://127.0.0.1:1"},
    )
