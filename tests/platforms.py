"""Marks that skip tests on platforms without a capability, with the reason.

Windows has no fork, no POSIX signals, no POSIX permissions and no pseudo terminals, and it forbids some file names.
macOS has no /proc, and its system libraries may abort in a forked child.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest


def _can_link() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(folder, "link").symlink_to("target")
        except (OSError, NotImplementedError):
            return False
    return True


@functools.cache
def has_pty() -> bool:
    """Return whether a pseudo terminal can be opened, which some containers do not allow."""
    try:
        import pty
    except ImportError:
        return False
    try:
        handles = pty.openpty()
    except OSError:
        return False
    for handle in handles:
        os.close(handle)
    return True


def with_slashes(path: object) -> str:
    """Return a path or URL with slashes instead of the backslashes of Windows."""
    return str(path).replace(os.sep, "/")


IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
WINDOWS = os.name == "nt"

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows, os.kill terminates a process with any signal

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin",
    reason="Windows has no fork, and system libraries of macOS may abort in a forked child",
)
needs_forkserver = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows has no fork server, and needs seconds to start each process"
)
needs_posix_signals = pytest.mark.skipif(
    not all(hasattr(signal, name) for name in ("pthread_kill", "setitimer", "SIGALRM", "SIGKILL")),
    reason="Windows cannot send a signal to a running thread",
)
needs_ctrl_c = pytest.mark.skipif(WINDOWS, reason="Windows cannot send Ctrl-C to one process of a console only")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed in Linux's /proc")
needs_proc_status = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc"
)
needs_proc_net = pytest.mark.skipif(
    not Path("/proc/self/net/tcp").exists(), reason="connections are listed in Linux's /proc"
)
needs_pty = pytest.mark.skipif(not has_pty(), reason="no pseudo terminal can be opened")
needs_shell = pytest.mark.skipif(WINDOWS or not shutil.which("sh"), reason="streams are closed by a POSIX shell")
needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
needs_resource = pytest.mark.skipif(
    importlib.util.find_spec("resource") is None, reason="Windows has no limits for file sizes"
)
needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
needs_symlinks = pytest.mark.skipif(not _can_link(), reason="Windows needs a privilege to create symbolic links")
needs_posix_permissions = pytest.mark.skipif(
    not hasattr(os, "geteuid"), reason="Windows has no permissions of user, group and others"
)
needs_posix_names = pytest.mark.skipif(
    WINDOWS, reason='Windows allows no control characters and none of <>:"|?* in names'
)
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may give files to another user")
needs_no_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or IS_ROOT, reason="root may write everywhere, and Windows has no read-only folders"
)
needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
