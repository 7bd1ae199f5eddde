"""Files on local disk that cannot be replaced, or not without what belongs to them: ACLs, mount points, others' files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import subprocess
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from platforms import WINDOWS, needs_fifo, needs_fork, needs_posix_permissions, needs_root, needs_symlinks

from explorer_frames import verify_file, write_parquet
from explorer_frames._storage import local as _local
from explorer_frames._storage.publish import Target
from explorer_frames.errors import ConfigError, WriteError

OLD = b"old " * 1000
FRAME = pd.DataFrame({"id": ["a", "b"], "score": [0.5, 0.25]})
ACL, DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"
UNDEFINED = 0xFFFFFFFF
USER, NAMED_USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20


def acl(*entries):
    """Make an ACL as Linux stores it, of pairs (tag, permissions); the named user is 4321."""
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, rights, 4321 if tag == NAMED_USER else UNDEFINED) for tag, rights in entries
    )


# As of the report: setfacl -m u:4321:rw-,g::---
NAMED = acl((USER, 6), (NAMED_USER, 6), (GROUP, 0), (MASK, 6), (OTHER, 4))


def listed(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def set_acl(path, content, name=ACL):
    try:
        os.setxattr(path, name, content)
    except (AttributeError, OSError) as reason:
        pytest.skip(f"no POSIX ACLs here: {reason}")


def acl_of(path):
    try:
        return os.getxattr(path, ACL)
    except OSError:
        return None


@pytest.fixture(params=["nameless", "named"])
def target(request, tmp_path, monkeypatch):
    """Lend an old file, which is replaced by a file that had no name, or a hidden one."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    (tmp_path / "a.parquet").write_bytes(OLD)
    return tmp_path / "a.parquet"


# ACLs


def test_the_acl_of_the_old_file_stays(target):
    set_acl(target, NAMED)
    inode = target.stat().st_ino
    write_parquet(FRAME, target)
    assert target.stat().st_ino != inode
    assert acl_of(target) == NAMED
    if shutil.which("getfacl"):
        shown = subprocess.run(["getfacl", "-cpn", target], capture_output=True, text=True, check=True).stdout
        assert shown.split() == ["user::rw-", "user:4321:rw-", "group::---", "mask::rw-", "other::r--"]


def test_a_file_without_an_acl_gets_none_from_its_folder(target):
    set_acl(target.parent, acl((USER, 7), (NAMED_USER, 7), (GROUP, 5), (MASK, 7), (OTHER, 5)), DEFAULT_ACL)
    target.chmod(0o660)
    write_parquet(FRAME, target)
    assert acl_of(target) is None
    assert stat.S_IMODE(target.stat().st_mode) == 0o660
    write_parquet(FRAME, target.parent / "new.parquet")
    (target.parent / "plain").write_bytes(OLD)
    assert acl_of(target.parent / "new.parquet") == acl_of(target.parent / "plain") != None  # noqa: E711


@needs_root
def test_the_wrong_group_gets_no_right_from_an_acl(target, monkeypatch):
    set_acl(target, acl((USER, 6), (NAMED_USER, 6), (GROUP, 6), (MASK, 6), (OTHER, 4)))
    os.chown(target, 12345, 23456)

    def refuse(*args):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chown", refuse)
    write_parquet(FRAME, target)
    assert acl_of(target) == NAMED


def test_an_acl_that_cannot_be_kept_leaves_the_old_file(target, monkeypatch):
    set_acl(target, NAMED)

    def refuse(*args):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(WriteError, match="ACL") as caught:
        write_parquet(Unread(), target)
    assert 'mode="in_place"' in caught.value.hint
    assert target.read_bytes() == OLD
    assert acl_of(target) == NAMED
    assert listed(target.parent) == ["a.parquet"]


# Files that cannot be replaced


def run_or_skip(*command):
    """Run a command for which a test needs rights, or a system that has it."""
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as reason:
        pytest.skip(f"cannot {command[0]}: {reason}")


class Unread:
    """Rows that must not be asked for."""

    def __arrow_c_stream__(self, requested_schema=None):
        def rows():
            raise AssertionError("a row was asked for")
            yield

        reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.string()}), rows())
        return reader.__arrow_c_stream__(requested_schema)


def refused(path):
    """Return the error number with which replacing a file is refused, before the first row."""
    with pytest.raises(WriteError, match="the file cannot be replaced") as caught:
        write_parquet(Unread(), path)
    assert 'mode="in_place"' in caught.value.hint
    return caught.value.errno


@needs_symlinks
def test_a_mounted_file_is_refused_and_can_be_overwritten_in_place(tmp_path):
    source, mounted = tmp_path / "source.parquet", tmp_path / "in a \\container\n.parquet"
    for path in (source, mounted):
        path.write_bytes(OLD)
    (tmp_path / "link.parquet").symlink_to(mounted)
    run_or_skip("mount", "--bind", source, mounted)
    try:
        for path in (mounted, tmp_path / "link.parquet"):
            assert refused(path) == errno.EBUSY
        assert source.read_bytes() == OLD
        write_parquet(FRAME, tmp_path / "link.parquet", mode="in_place")
        assert verify_file(mounted).rows == verify_file(source).rows == 2
    finally:
        subprocess.run(["umount", mounted], check=True)


def as_nobody(check):
    """Run a check in a child process without the rights of root."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            check()
            code = 0
        except BaseException:  # noqa: BLE001 (shown, and the child ends here)
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def open_to_all(monkeypatch):
    """Lend a folder that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "spools").mkdir()
        (Path(folder) / "spools").chmod(0o777)
        monkeypatch.setattr(tempfile, "tempdir", f"{folder}/spools")
        yield Path(folder)


@needs_root
@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("folder_mode", "number"), [(0o1777, errno.EPERM), (0o755, errno.EACCES)])
def test_another_users_file_is_refused_and_can_be_overwritten_in_place(open_to_all, folder_mode, number):
    folder, path = open_to_all / "shared", open_to_all / "shared" / "a.parquet"
    folder.mkdir()
    path.write_bytes(OLD)
    folder.chmod(folder_mode)
    path.chmod(0o666)
    os.chown(path, 12345, 12345)

    def check():
        assert refused(path) == number
        assert path.read_bytes() == OLD
        write_parquet(FRAME, path, mode="in_place")

    as_nobody(check)
    assert verify_file(path).rows == 2
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (12345, 0o666)
    assert listed(folder) == ["a.parquet"]
    write_parquet(FRAME, path)  # root may replace it


@needs_root
@pytest.mark.parametrize("frozen", ["a.parquet", "."])
def test_an_append_only_file_or_folder_is_refused_before_the_first_row(tmp_path, frozen):
    (tmp_path / "a.parquet").write_bytes(OLD)
    run_or_skip("chattr", "+a", tmp_path / frozen)
    try:
        assert refused(tmp_path / "a.parquet") == errno.EPERM
        if frozen == "a.parquet":
            with pytest.raises(WriteError, match="cannot reach the target"):
                write_parquet(Unread(), tmp_path / "a.parquet", mode="in_place")
    finally:
        subprocess.run(["chattr", "-a", tmp_path / frozen], check=True)
    assert listed(tmp_path) == ["a.parquet"]


@pytest.mark.skipif(WINDOWS, reason="every disk of Windows renames files")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_a_folder_without_renames_is_refused_before_the_first_row(tmp_path, monkeypatch, number):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)  # no such file system has these
    for name in ("rename", "replace", "link"):
        monkeypatch.setattr(os, name, refuse)
    (tmp_path / "old.parquet").write_bytes(OLD)
    for name in ("old.parquet", "new.parquet"):
        with pytest.raises(WriteError, match="does not support renaming") as caught:
            write_parquet(Unread(), tmp_path / name)
        assert 'mode="in_place"' in caught.value.hint
        assert listed(tmp_path) == ["old.parquet"]
    for name in ("old.parquet", "new.parquet"):
        write_parquet(FRAME, tmp_path / name, mode="in_place")
        assert verify_file(tmp_path / name).rows == 2


def test_a_target_that_turns_out_not_to_be_replaceable_names_the_mode(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    (tmp_path / "a.parquet").write_bytes(OLD)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteError) as caught:
        write_parquet(FRAME, tmp_path / "a.parquet")
    assert 'mode="in_place"' in caught.value.hint


def test_looking_for_mount_points_needs_no_proc(tmp_path, monkeypatch):
    monkeypatch.setattr(_local, "_MOUNTS", "/no-such-proc/mountinfo")
    (tmp_path / "a.parquet").write_bytes(OLD)
    assert write_parquet(FRAME, tmp_path / "a.parquet").rows == 2


# In place


@pytest.fixture
def spools(tmp_path, monkeypatch):
    """Keep temporary files in a folder of their own, which is empty in the end."""
    (tmp_path / "spools").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spools"))
    yield tmp_path / "spools"
    assert listed(tmp_path / "spools") == []


@pytest.mark.parametrize("old", [None, b"", OLD, OLD * 100])
def test_in_place_keeps_the_file_and_changes_its_content(tmp_path, spools, old):
    path, other = tmp_path / "a.parquet", tmp_path / "other.parquet"
    if old is not None:
        path.write_bytes(old)
        os.link(path, other)
    receipt = write_parquet(FRAME, path, mode="in_place")
    assert path.stat().st_size == receipt.bytes
    assert verify_file(path).rows == 2
    assert old is None or path.samefile(other)


@needs_posix_permissions
def test_a_new_file_in_place_follows_the_umask(tmp_path, spools):
    old = os.umask(0o027)
    try:
        write_parquet(FRAME, tmp_path / "a.parquet", mode="in_place")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.parquet").stat().st_mode) == 0o640


def test_in_place_write_starts_after_the_last_row(tmp_path, spools):
    def batches():
        yield pa.record_batch({"x": range(100_000)})
        assert path.read_bytes() == OLD
        raise RuntimeError("source")

    path = tmp_path / "a.parquet"
    path.write_bytes(OLD)
    with pytest.raises(RuntimeError, match="source"):
        write_parquet(
            pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), batches()), path, mode="in_place",
            row_group_size=1000,
        )  # fmt: skip
    assert path.read_bytes() == OLD


def test_partial_file_after_failure_is_rejected_by_readers(tmp_path, spools, monkeypatch):
    path = tmp_path / "a.parquet"
    write_parquet(pd.DataFrame({"id": ["a", "b"], "score": [7.5, 8.25]}), path)
    copy = shutil.copyfileobj

    def partial(source, target, size):
        target.write(source.read(500))
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(shutil, "copyfileobj", partial)
    with pytest.raises(WriteError, match="cannot write all of the target"):
        write_parquet(FRAME, path, mode="in_place")
    with pytest.raises(pa.ArrowInvalid):
        pd.read_parquet(path)
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    assert write_parquet(FRAME, path, mode="in_place").rows == 2
    assert verify_file(path).rows == 2


def test_in_place_without_disk_space_keeps_the_old_content(tmp_path, spools):
    small = tmp_path / "small"
    small.mkdir()
    run_or_skip("mount", "-t", "tmpfs", "-o", "size=1m", "none", small)
    try:
        (small / "a.parquet").write_bytes(OLD)
        table = pa.table({"x": np.random.default_rng(1).random(1_000_000)})
        with pytest.raises(WriteError) as caught:
            write_parquet(table, small / "a.parquet", mode="in_place")
        assert "Free disk space" in caught.value.hint
        assert (small / "a.parquet").read_bytes() == OLD
        (small / "a.parquet").write_bytes(bytes(900_000))  # whose room is used again
        write_parquet(table.slice(0, 90_000), small / "a.parquet", mode="in_place")
        assert verify_file(small / "a.parquet").rows == 90_000
    finally:
        subprocess.run(["umount", small], check=True)


@needs_fifo
def test_in_place_rejects_devices(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null", "/dev/stdout"):
        with pytest.raises(ConfigError, match=r"device, pipe or socket|standard stream"):
            Target.resolve(path, mode="in_place")


def test_in_place_needs_the_right_to_write_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(OLD)
    access = os.access
    # Root may write to it all the same.
    monkeypatch.setattr(os, "access", lambda path, how: access(path, how) and str(path) != str(tmp_path / "a.parquet"))
    with pytest.raises(WriteError, match="the file is not writable") as caught:
        write_parquet(Unread(), tmp_path / "a.parquet", mode="in_place")
    assert "permission" in caught.value.hint
