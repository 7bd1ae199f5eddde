"""Debian's Samba: one folder as two shares, one of them read-only."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import Server, as_root, free_port, listening, process, program, run

if TYPE_CHECKING:
    from pathlib import Path

CONF = """\
[global]
server role = standalone server
bind interfaces only = yes
interfaces = lo
smb ports = {port}
disable netbios = yes
map to guest = never
load printers = no
log level = 0
log file = {folder}/log.smbd
private dir = {folder}/state
state directory = {folder}/state
cache directory = {folder}/state
lock directory = {folder}/state
pid directory = {folder}/state
ncalrpc dir = {folder}/state/ncalrpc
passdb backend = tdbsam:{folder}/state/passdb.tdb
[share]
path = {folder}/files
read only = no
[fixed]
path = {folder}/files
read only = yes
"""


@contextmanager
def serve(folder: Path):
    as_root()
    smbd, smbpasswd = program("smbd"), program("smbpasswd")
    for name in ("files", "state"):
        (folder / name).mkdir()
    port = free_port()
    conf = folder / "smb.conf"
    conf.write_text(CONF.format(port=port, folder=folder))
    run(smbpasswd, "-c", str(conf), "-a", "-s", "root", stdin="smb-s3cret\nsmb-s3cret\n")
    with process(folder, smbd, "-F", "--no-process-group", "-s", str(conf), ready=lambda: listening(port)):
        options = {"port": port, "username": "root", "password": "smb-s3cret"}
        # Without `share_access`, a reader locks the file, so it cannot be replaced.
        options["share_access"] = "rwd"
        yield Server(
            "smb://127.0.0.1/share",
            options,
            read_only=("smb://127.0.0.1/fixed", options),
            wrong_login={**options, "username": "nobody-here", "register_session_retries": 0},
            missing="smb://127.0.0.1/misspelled",
            down={**options, "port": 1},
        )
