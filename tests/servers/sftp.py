"""Debian's OpenSSH: one server with write access, and one started with `internal-sftp -R`."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import Server, as_root, free_port, listening, process, program, run

CONF = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp {flags}
"""


@contextmanager
def serve(folder: Path):
    as_root()
    sshd, keygen = program("sshd"), program("ssh-keygen")
    Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation folder of sshd
    for name in ("host_key", "user_key", "other_key"):
        run(keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    files = folder / "files"
    files.mkdir()
    with ExitStack() as stack:
        ports = []
        for flags in ("", "-R"):
            port = free_port()
            conf = folder / f"sshd{flags}.conf"
            conf.write_text(CONF.format(port=port, folder=folder, flags=flags))
            command = (sshd, "-f", str(conf), "-D", "-e")
            stack.enter_context(process(folder, *command, ready=lambda port=port: listening(port)))
            ports.append(port)

        def options(port: int, key: str = "user_key") -> dict[str, object]:
            return {"port": port, "username": "root", "client_keys": [str(folder / key)], "known_hosts": None}

        base = f"sftp://127.0.0.1{files}"
        yield Server(
            base,
            options(ports[0]),
            read_only=(base, options(ports[1])),
            wrong_login=options(ports[0], "other_key"),
            down=options(1),
        )
