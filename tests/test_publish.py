"""What is special about local disk, about drivers, and about what may be said; what all stores have in common is
proved in test_storage_contract.py.
"""

from __future__ import annotations

import _thread
import asyncio
import errno
import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from limits import HANG
from platforms import (
    WINDOWS,
    needs_fifo,
    needs_no_root,
    needs_posix_names,
    needs_posix_permissions,
    needs_posix_signals,
    needs_proc,
    needs_root,
    needs_symlinks,
)

from explorer_frames import _threads, write_feather, write_parquet
from explorer_frames._storage import local as _local, loop as _loop, spool as _spool, stores as _stores
from explorer_frames._storage.address import Mask, shown_url
from explorer_frames._storage.failures import is_missing
from explorer_frames._storage.folder import Folder
from explorer_frames._storage.publish import Target
from explorer_frames._storage.schemes import scheme_of
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

pytest_plugins = ["storage"]

OLD, NEW = b"old " * 1000, b"new " * 2000


LINK = "rename" if WINDOWS else "link"  # which never replaces


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def open_files_in(folder):
    """Paths of this process's open files below a folder, also of those without a name; empty where nothing lists them."""
    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112
        return []
    opened = []
    for handle in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):  # the listing's own handle
            opened.append(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115
    return [path for path in opened if path.startswith(f"{folder.resolve()}/")]


def publish(url, content, *, mode="overwrite", options=None, **how):
    target = Target.resolve(url, mode=mode, storage_options=options, **how)
    with target.spool() as path:
        Path(path).write_bytes(content)
        target.publish(path)
    return target


@needs_proc
def test_interrupt_at_any_instruction_of_a_cleanup_leaves_no_open_file(tmp_path):
    done = False
    for last in range(1, 10_000):
        spool, count = _local.LocalFile(str(tmp_path / "a")).new_spool(), 0

        def interrupt(frame, _event, _, last=last):
            nonlocal count
            frame.f_trace_opcodes = True
            count += 1  # CPython 3.12.1 reports only lines here
            if count == last:
                raise KeyboardInterrupt
            return interrupt

        with suppress(KeyboardInterrupt):
            sys.settrace(interrupt)
            try:
                spool.discard()
                done = True
            finally:
                sys.settrace(None)
        del spool
        gc.collect()
        assert open_files_in(tmp_path) == []
        assert listed(tmp_path) == []
        if done:
            break
    assert last > 3


# Local disk


@pytest.fixture(params=["nameless", "no O_TMPFILE", "refused O_TMPFILE", "no /proc"])
def disk(request, tmp_path, monkeypatch):
    """Lend a folder on each kind of system: with spool files that have no name, and without for each reason."""
    real_open = os.open

    def refuse(path, flags, *args, **kwargs):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real_open(path, flags, *args, **kwargs)

    if request.param in {"nameless", "refused O_TMPFILE", "no /proc"} and not hasattr(os, "O_TMPFILE"):
        pytest.skip("only Linux has files without a name")
    if request.param == "no O_TMPFILE":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if request.param == "refused O_TMPFILE":
        monkeypatch.setattr(os, "open", refuse)
    if request.param == "no /proc":
        monkeypatch.setattr(_local, "_HANDLES", "/no-such-proc/")
    folder = tmp_path / request.param.replace("/", "")
    folder.mkdir()
    return folder


def test_addresses_of_local_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USERPROFILE" if WINDOWS else "HOME", str(tmp_path))
    given = ["a", f"{tmp_path}/a", f"file://{tmp_path}/a", f"local://{tmp_path}/a", f"file:{tmp_path}/a", "~/a"]
    for url in [*given, Path("a"), tmp_path / "a"]:
        assert publish(url, NEW).url == str(tmp_path / "a")
    assert listed(tmp_path) == ["a"]


@needs_posix_names
def test_a_path_may_have_the_mark_of_chained_urls(tmp_path):
    assert publish(tmp_path / "a::b", NEW).url == f"{tmp_path}/a::b"


@needs_posix_permissions
def test_permissions_follow_the_umask_or_the_old_file(disk):
    old = os.umask(0o027)
    try:
        publish(disk / "a", NEW)
        (disk / "b").write_bytes(OLD)
        (disk / "b").chmod(0o604)
        publish(disk / "b", NEW)
    finally:
        os.umask(old)
    assert (disk / "a").stat().st_mode & 0o777 == 0o640
    assert (disk / "b").stat().st_mode & 0o777 == 0o604


@needs_root
def test_the_owner_of_the_old_file_stays(disk):
    (disk / "a").write_bytes(OLD)
    os.chown(disk / "a", 12345, 23456)
    publish(disk / "a", NEW)
    assert ((disk / "a").stat().st_uid, (disk / "a").stat().st_gid) == (12345, 23456)


@needs_root
@pytest.mark.parametrize(
    ("may", "before", "after"),
    [("give to the group", 0o660, 0o660), ("nothing", 0o660, 0o600), ("nothing", 0o664, 0o644)],
)
def test_the_wrong_group_gets_no_right_that_not_everybody_has(disk, monkeypatch, may, before, after):
    (disk / "a").write_bytes(OLD)
    (disk / "a").chmod(before)
    os.chown(disk / "a", 12345, 23456)
    real = os.chown

    def chown(path, owner, group):
        if owner != -1 or may == "nothing":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path, owner, group)

    monkeypatch.setattr(os, "chown", chown)
    publish(disk / "a", NEW)
    group = 23456 if may == "give to the group" else os.getegid()
    assert ((disk / "a").stat().st_gid, (disk / "a").stat().st_mode & 0o777) == (group, after)
    assert (disk / "a").read_bytes() == NEW


@needs_posix_permissions
@pytest.mark.parametrize(("before", "refused"), [(0o666, True), (0o644, False)])
def test_failed_permissions_leave_no_file(disk, monkeypatch, before, refused):
    (disk / "a").write_bytes(OLD)
    (disk / "a").chmod(before)

    def chmod(*args, **kwargs):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", chmod)
    umask = os.umask(0o022)
    try:
        with pytest.raises(WriteError) if refused else nullcontext():
            publish(disk / "a", NEW)
    finally:
        os.umask(umask)
    assert listed(disk) == ["a"]
    assert (disk / "a").read_bytes() == (OLD if refused else NEW)
    assert open_files_in(disk) == []


@pytest.mark.skipif(WINDOWS, reason="Windows renames, which never replaces there")
@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_without_hard_links_create_looks_and_renames(tmp_path, monkeypatch, number):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)  # no such file system has these

    def link(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    publish(tmp_path / "a", NEW, mode="create")
    late = Target.resolve(tmp_path / "b", mode="create")
    with late.spool() as path:
        (tmp_path / "b").write_bytes(OLD)
        with pytest.raises(TargetExistsError):
            late.publish(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": NEW, "b": OLD}


def test_a_file_that_may_not_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(OLD)
    (tmp_path / "a").chmod(0o444)
    access = os.access
    # Root may write to it all the same.
    monkeypatch.setattr(os, "access", lambda path, how: access(path, how) and str(path) != str(tmp_path / "a"))
    with pytest.raises(WriteError, match="the file is not writable") as caught:
        Target.resolve(tmp_path / "a")
    assert "permission to write" in caught.value.hint


@pytest.mark.parametrize("mode", ["overwrite", "create"])
def test_the_spool_is_hidden_beside_the_target_or_has_no_name(disk, request, mode):
    target = Target.resolve(disk / "a.bin", mode=mode)
    with target.spool() as path:
        Path(path).write_bytes(NEW)
        assert Path(path).read_bytes() == NEW
        if "nameless" in request.node.callspec.id:
            assert listed(disk) == []
        else:
            assert listed(disk) == [Path(path).name]
            assert Path(path).name.startswith(".a.bin.")
            assert path.endswith(".tmp")
        target.publish(path)
    assert (disk / "a.bin").read_bytes() == NEW
    assert listed(disk) == ["a.bin"]


def test_temporary_file_is_discarded(disk):
    target = Target.resolve(disk / "a.bin")

    def fail():
        with target.spool() as path:
            Path(path).write_bytes(NEW)
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        fail()
    assert listed(disk) == []
    assert open_files_in(disk) == []


def test_the_longest_name_is_no_problem(tmp_path):
    name = "\u00e9" * 127
    publish(tmp_path / name, NEW)
    assert listed(tmp_path) == [name]


@needs_symlinks
@pytest.mark.parametrize("dangling", [False, True])
def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path, dangling):
    (tmp_path / "data").mkdir()
    if not dangling:
        (tmp_path / "data" / "a").write_bytes(OLD)
    (tmp_path / "link").symlink_to("data/a")
    publish(tmp_path / "link", NEW)
    assert (tmp_path / "link").readlink() == Path("data/a")
    assert (tmp_path / "data" / "a").read_bytes() == NEW


def test_stale_temporary_files_of_a_folder_are_removed_and_no_others(tmp_path):
    long_ago = 1_700_000_000
    uuid4 = "00112233445546778899aabbccddeeff"
    stale = [f".{name}.{long_ago}.{uuid4}.tmp" for name in ("a", "a.b")]
    others = ["other.tmp", ".hidden", f"a.{long_ago}.{uuid4}.tmp", f".a.7.{uuid4}.tmp", f".a.{long_ago}.{'0' * 32}.tmp"]
    others += [f".gone.{long_ago}.{uuid4}.old"]  # it may be the only copy
    stale += [f".other.tmp.{long_ago}.{uuid4}.old"]
    modified, fresh = f".a.{long_ago}.{uuid4[::-1].replace('6', '4')}.tmp", _spool.hidden_name("a")
    for name in (*stale, *others, modified, fresh):
        (tmp_path / name).write_bytes(OLD)
        os.utime(tmp_path / name, None if name == modified else (1, 1))
    folder = Folder(tmp_path)
    folder.remove_stale(folder.files())
    assert listed(tmp_path) == sorted([*others, modified, fresh])


def test_stale_temporary_files_of_remote_targets_are_removed_from_tmpdir(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stale, other = tmp_path / ".explorer_frames.1700000000.00112233445546778899aabbccddeeff.tmp", tmp_path / "other.tmp"
    for file in (stale, other):
        file.write_bytes(OLD)
        os.utime(file, (1, 1))
    with Target.resolve("memory://spools/a", new_folders=None).spool() as path:
        assert WINDOWS or Path(path).stat().st_mode & 0o777 == 0o600
        Folder("memory://spools").remove_stale([])
        assert listed(tmp_path) == sorted([Path(path).name, other.name])


def test_a_small_write_needs_no_thread(tmp_path, monkeypatch):
    def refuse(*_args):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert write_parquet(pd.DataFrame({"id": ["a"], "score": [1.0]}), tmp_path / "a").rows == 1


def test_a_write_lists_no_folder_and_starts_no_thread(tmp_path, monkeypatch):
    def refuse(*_args):
        raise AssertionError("not needed")

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    frame = pd.DataFrame({"id": ["a"], "score": [1.0]})
    assert write_parquet(frame, tmp_path / "a").rows == 1
    assert write_feather(frame, tmp_path / "a", mode="overwrite").rows == 1


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="a file with a name is also opened beside the check")
def test_a_small_write_starts_one_thread_that_opens_its_file(tmp_path, monkeypatch):
    started = []

    def start(function, arguments):
        started.append(function)
        return start_thread(function, arguments)

    start_thread = _thread.start_new_thread
    monkeypatch.setattr(_threads, "_start_new_thread", start)
    monkeypatch.setattr(_thread, "start_new_thread", start)
    frame = pd.DataFrame({"id": ["a"], "score": [1.0]})
    for mode in ("create", "overwrite"):
        write_parquet(frame, tmp_path / "a", mode=mode)
    assert len(started) == 2


@needs_no_root
def test_a_folder_that_may_not_be_written_to_is_refused_before_any_work(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="not writable") as caught:
        Target.resolve(tmp_path / "not" / "yet" / "a", new_folders=None)
    assert "permission to write" in caught.value.hint


@pytest.fixture
def small_disk(tmp_path):
    """Lend a file system of 1 MiB, once writable and once read-only."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not Path("/proc/mounts").exists():
        pytest.skip("mounts a tmpfs of Linux")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("layout", ["parquet", "feather"])
def test_a_full_disk_keeps_the_old_file(small_disk, layout):
    (small_disk / f"a.{layout}").write_bytes(OLD)
    table = pa.table({"x": np.random.default_rng(1).random(1_000_000)})
    with pytest.raises(WriteError) as caught:
        {"parquet": write_parquet, "feather": write_feather}[layout](table, small_disk / f"a.{layout}")
    assert "Free disk space" in caught.value.hint
    assert (small_disk / f"a.{layout}").read_bytes() == OLD
    assert listed(small_disk) == [f"a.{layout}"]


def test_a_full_temporary_folder_keeps_the_old_object(small_disk, memory_store, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    memory_store.put("a.parquet", OLD)
    with pytest.raises(WriteError) as caught:
        write_parquet(pa.table({"x": np.random.default_rng(1).random(1_000_000)}), memory_store.url("a.parquet"))
    assert "TMPDIR" in caught.value.hint
    assert memory_store.read("a.parquet") == OLD
    assert memory_store.names() == ["a.parquet"]
    assert listed(small_disk) == []


def test_a_read_only_disk_is_refused_before_any_work(small_disk):
    (small_disk / "a").write_bytes(OLD)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for name in ("a", "b", "folder/c"):
        with pytest.raises(WriteError, match="not writable") as caught:
            Target.resolve(small_disk / name, new_folders=None)
        assert "permission to write" in caught.value.hint
    assert (small_disk / "a").read_bytes() == OLD


@needs_fifo
def test_a_device_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="device, pipe or socket"):
        Target.resolve(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_where_a_folder_must_be(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(WriteError, match="NotADirectoryError") as caught:
        publish(tmp_path / "a" / "b", NEW)
    assert "is a file, not a folder" in str(caught.value)
    assert (tmp_path / "a").read_bytes() == OLD


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free disk space"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "permission"),
        (errno.EIO, "unchanged"),
    ],
)
@pytest.mark.parametrize(("call", "mode"), [("fsync", "overwrite"), ("replace", "overwrite"), (LINK, "create")])
def test_a_failing_system_call_keeps_the_old_file(disk, monkeypatch, call, mode, number, advice):  # noqa: PLR0917
    tmp_path = disk
    if mode == "overwrite":
        (tmp_path / "a").write_bytes(OLD)
    target = Target.resolve(tmp_path / "a", mode=mode)

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with target.spool() as path:
        Path(path).write_bytes(NEW)
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail)
            with pytest.raises(WriteError) as caught:
                target.publish(path)
    assert advice in caught.value.hint
    assert caught.value.__context__ is None
    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([OLD] if mode == "overwrite" else [])


# Other stores


def test_a_large_object_goes_up_in_small_parts_and_create_holds(s3_store):
    content = os.urandom(17 * 2**20)
    publish(s3_store.url("a.bin"), content, mode="create", options=s3_store.options)
    assert s3_store.read("a.bin") == content
    fs, path = fsspec.url_to_fs(s3_store.url("a.bin"), **s3_store.options)
    assert fs.info(path)["ETag"].strip('"').endswith("-3")


class Stubborn(MemoryFileSystem):
    """Refuses, or silently skips, to move onto an existing file; `broken` moves fail, `stuck` ones do nothing."""

    cachable = False
    silent = False
    broken = 0
    stuck: tuple[str, ...] = ()
    store: dict = {}  # noqa: RUF012 (as the base class has it)
    pseudo_dirs = [""]  # noqa: RUF012

    def mv(self, path1, path2, **kwargs):
        if path1.endswith(type(self).stuck):
            return
        if self.isfile(path2):
            if self.silent:
                return
            raise FileExistsError(path2)
        if path1.endswith(".tmp") and type(self).broken:
            raise OSError(errno.EIO, "I/O is broken")
        self.cp_file(path1, path2)
        self.rm_file(path1)


@pytest.fixture(params=["refuses", "skips"])
def stubborn(request, monkeypatch):
    monkeypatch.setattr(Stubborn, "store", {})
    monkeypatch.setattr(Stubborn, "silent", request.param == "skips")
    monkeypatch.setattr(Stubborn, "broken", 0)
    monkeypatch.setattr(Stubborn, "stuck", ())
    monkeypatch.setattr(Stubborn, "pseudo_dirs", ["", "stubborn:///d"])
    fsspec.register_implementation("stubborn", Stubborn, clobber=True)
    return Stubborn(), "stubborn:///d/a.bin"


def test_old_file_is_renamed_first_if_move_does_not_replace(stubborn):
    fs, url = stubborn
    publish(url, OLD)
    publish(url, NEW)
    assert {name: file.getvalue() for name, file in fs.store.items()} == {url: NEW}


def test_the_old_file_comes_back_when_the_new_one_cannot_follow(stubborn):
    fs, url = stubborn
    publish(url, OLD)
    Stubborn.broken = 1
    with pytest.raises(WriteError, match=r"OSError: .*I/O is broken"):
        publish(url, NEW)
    assert {name: file.getvalue() for name, file in fs.store.items()} == {url: OLD}


@pytest.mark.parametrize(
    ("stuck", "said"), [((".tmp",), "file to the target"), ((".tmp", ".bin"), "move the old file")]
)
def test_move_without_effect_is_detected(stubborn, stuck, said):
    fs, url = stubborn
    publish(url, OLD)
    Stubborn.stuck = stuck
    with pytest.raises(WriteError, match=said):
        publish(url, NEW)
    assert {name: file.getvalue() for name, file in fs.store.items()} == {url: OLD}


def test_another_writers_file_does_not_hide_that_ours_was_not_moved(stubborn, monkeypatch):
    fs, url = stubborn
    publish(url, OLD)
    move = Stubborn.mv

    def overtaken(self, path1, path2, **kwargs):
        move(self, path1, path2, **kwargs)
        if path2.endswith(".old"):
            self.pipe_file(path1, b"t" * len(NEW))

    monkeypatch.setattr(Stubborn, "mv", overtaken)
    with pytest.raises(WriteError):
        publish(url, NEW)
    assert fs.cat_file(url) == b"t" * len(NEW)


class Slow(AsyncFileSystem):
    """Interrupts the main thread in the midst of a put, and takes its time to end that."""

    cachable = False
    protocol = "slow"

    def __init__(self, number, **kwargs):
        super().__init__(**kwargs)
        self.number, self.files, self.ended = number, {"/d/a.bin": OLD}, threading.Event()

    async def _put_file(self, lpath, rpath, **kwargs):
        try:
            if rpath.endswith(".tmp"):
                self.files[rpath] = b"partial"
            signal.pthread_kill(threading.main_thread().ident, self.number)
            await asyncio.sleep(HANG)
            self.files[rpath] = NEW
        finally:
            self.ended.set()

    async def _rm_file(self, path, **kwargs):
        del self.files[path]


@pytest.mark.parametrize(("place", "scheme"), [(_stores.StoredObject, "gs://"), (_stores.RemoteFile, "slow://")])
@pytest.mark.parametrize("number", ["SIGINT", "SIGALRM"])
@needs_posix_signals
def test_an_interrupted_put_has_ended_and_does_not_replace_the_target_later(
    place, scheme, number, tmp_path, monkeypatch
):
    class Alarm(Exception):  # noqa: N818
        pass

    def ring(*args):
        raise Alarm

    monkeypatch.setattr(_loop, "_CANCEL", HANG)  # time for a busy machine to cancel the put
    fs = Slow(getattr(signal, number))
    (tmp_path / "spool").write_bytes(NEW)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(KeyboardInterrupt if number == "SIGINT" else Alarm):
            place(fs, "/d/a.bin", scheme_of(scheme)).put(str(tmp_path / "spool"), create=False)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert fs.ended.is_set()
    assert fs.files == {"/d/a.bin": OLD}


def test_smb_errors_for_missing_files():
    exceptions = pytest.importorskip("smbprotocol.exceptions")
    told = {
        number: is_missing(exceptions.SMBOSError(number, "x"))
        for number in (0xC0000034, 0xC000003A, 0xC0000033, 0xC0000022)
    }
    assert list(told.values()) == [True, True, True, False]  # no name, no folder, no such name possible; denied


def test_missing_and_unreadable_folders_have_different_errors(memory_store, monkeypatch):
    exceptions = pytest.importorskip("smbprotocol.exceptions")
    memory_store.put("a", OLD)
    folder, real, status = Folder(memory_store.base), MemoryFileSystem.cat_file, 0xC0000034

    def cat_file(self, path, *args, **kwargs):
        if path.endswith("/a"):
            return real(self, path, *args, **kwargs)
        raise exceptions.SMBOSError(status, path)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    assert folder.read(["a", "b"]) == [OLD, None]
    status = 0xC0000022
    with pytest.raises(WriteError, match="cannot read") as caught:
        folder.read(["a", "b"])
    assert "read" in caught.value.hint
    assert "write" not in caught.value.hint


def test_a_short_object_is_noticed(memory_store, monkeypatch):
    put = MemoryFileSystem.put_file

    def short(self, lpath, rpath, **kwargs):
        put(self, lpath, rpath, **kwargs)
        self.pipe_file(rpath, self.cat_file(rpath)[:-1])

    memory_store.put("a.bin", OLD)
    monkeypatch.setattr(MemoryFileSystem, "put_file", short)
    with pytest.raises(WriteError, match=f"uploaded {len(NEW)} bytes, but the stored file has {len(NEW) - 1}"):
        publish(memory_store.url("a.bin"), NEW)
    assert memory_store.read("a.bin") == OLD
    assert memory_store.names() == ["a.bin"]


@pytest.mark.parametrize(
    ("call", "raised"),
    [("pipe_file", OSError(errno.EIO, "broken")), ("rm_file", PermissionError(errno.EACCES, "denied"))],
)
def test_a_folder_in_which_no_file_can_be_made_and_removed_is_refused_before_any_work(
    memory_store, monkeypatch, call, raised
):
    def refuse(self, *_given, **_options):
        raise raised

    memory_store.put("a.bin", OLD)
    monkeypatch.setattr(MemoryFileSystem, call, refuse)
    with pytest.raises(WriteError, match=f"cannot reach the target: {type(raised).__name__}") as caught:
        Target.resolve(memory_store.url("a.bin"))
    assert "is a file" not in caught.value.hint


@pytest.mark.parametrize("raised", [OSError(errno.EIO, "no"), KeyboardInterrupt()])
def test_failed_put_leaves_no_object(memory_store, monkeypatch, raised):
    memory_store.put("a.bin", OLD)
    put = MemoryFileSystem.put_file

    def partial(self, lpath, rpath, **kwargs):
        put(self, lpath, rpath, **kwargs)
        raise raised

    monkeypatch.setattr(MemoryFileSystem, "put_file", partial)
    with pytest.raises(WriteError if isinstance(raised, Exception) else KeyboardInterrupt):
        publish(memory_store.url("a.bin"), NEW)
    assert memory_store.names() == ["a.bin"]
    assert memory_store.read("a.bin") == OLD


def test_write_only_credentials_can_publish(s3_store, monkeypatch):
    import s3fs

    async def denied(self, path, *args, **kwargs):
        raise PermissionError("Forbidden")

    options = s3_store.options | {"skip_instance_cache": True}
    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_info", denied)
        for mode in ("create", "overwrite"):
            publish(s3_store.url("a.bin"), NEW, mode=mode, options=options)
        with pytest.raises(TargetExistsError):
            publish(s3_store.url("a.bin"), OLD, mode="create", options=options)
    assert s3_store.read("a.bin") == NEW


# What is refused before any work


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "not a valid path or URL"),
        (b"a.bin", "not a valid path or URL"),
        (None, "not a valid path or URL"),
        ("a\0b", "not a valid path or URL"),
        ("out/", "is a directory"),
        ("memory://d/", "is a directory"),
        ("s3://bucket", "is a directory"),
        ("http://host/a.parquet", "read-only"),
        ("https://u:hush@host/a.parquet?sig=hush", "read-only"),
        ("zip://a.parquet::s3://u:hush@bucket/a.zip", "chained"),
        ("simplecache::memory://a", "chained"),
        ("dir://a", "chained"),
        ("s3://bucket/a?sig=hush", "not contain a query"),
        ("file://host/a", "absolute path"),
        (Path("s3://bucket/a"), "missing ://"),
        ("nope://u:hush@host/a", "storage_options: ValueError: Protocol not known: nope"),
        ("ftp://u:hush/hush@host/a", "invalid URL"),
    ],
)
def test_refused_before_any_work(url, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        Target.resolve(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "extra", "packages"),
    [
        ("s3://bucket/a", "s3", ["s3fs"]),
        ("abfs://box@account.dfs.core.windows.net/a", "azure", ["adlfs"]),
        ("abfss://box@account.dfs.core.windows.net/a", "azure", ["adlfs"]),
        ("gs://bucket/a", "gcs", ["gcsfs"]),
        ("sftp://ann:hush@host/a", "sftp", ["sshfs", "paramiko"]),
        ("ssh://ann:hush@host/a", "sftp", ["sshfs", "paramiko"]),
        ("smb://ann:hush@host/share/a", "smb", ["smbclient", "smbprotocol"]),
        ("webdav://folder/a", "webdav", ["webdav4", "webdav4.fsspec"]),
    ],
)
def test_a_missing_driver_is_named_with_its_extra(url, extra, packages, monkeypatch):
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)  # importing it fails from here on
    for module in ("sftp", "smb"):
        monkeypatch.delitem(sys.modules, f"fsspec.implementations.{module}", raising=False)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, url.partition("://")[0], raising=False)
    with pytest.raises(ConfigError, match="no driver") as caught:
        Target.resolve(url)
    assert caught.value.hint.startswith(f"install the extra '{extra}': pip install '")
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="unknown mode 'append'"):
        Target.resolve("memory://a", mode="append")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://ann:pw@host:22/a@b", "sftp://host:22/a@b"),
        ("sftp://host:22/a@b", "sftp://host:22/a@b"),
        ("ftp://ann:p/w@host/a", "ftp://host/a"),
        ("s3://KEY:/secret@bucket/x", "s3://bucket/x"),
        ("s3://KEY:1/secret@bucket/x", "s3://bucket/x"),
        ("sftp://ann:/pw@host/x", "sftp://host/x"),
        ("s3:/KEY:secret@bucket/x", "s3://bucket/x"),
        ("s3:/bucket/x", "s3:/bucket/x"),
        ("s3://bucket/a:1@x", "s3://bucket/a:1@x"),
        ("ftp://ann:p@w@host/a", "ftp://host/a"),
        ("abfs://box@account.dfs/a", "abfs://box@account.dfs/a"),
        ("abfs://box:pw@account.dfs/a", "abfs://account.dfs/a"),
        ("s3://bucket/a b#1@x?versionId=1", "s3://bucket/a b#1@x"),
        ("s3://bucket/part-?.csv?flag&sig=a/b?c", "s3://bucket/part-?.csv"),
        ("memory://gg/part-?.csv", "memory://gg/part-?.csv"),
        ("s3://bucket/part-?/day=1/x", "s3://bucket/part-?/day=1/x"),
        ("HTTPS://host/a.csv?s3cret", "HTTPS://host/a.csv"),
        ("https://host/a.csv?s3cret", "https://host/a.csv"),
        ("http://ann:pw@host/a.csv?x/y=s3cret", "http://host/a.csv"),
        ("/tmp/a?b@c:d", "/tmp/a?b@c:d"),
        ("/tmp/\x1b[31m", "/tmp/\\x1b[31m"),
    ],
)
def test_shown_url(url, shown):
    assert shown_url(url) == shown


# Secrets

OTHERS = ["someuser", "urlpassw", "inalist", "asbytes"]
CANARY = "c4n4ry/+= '\\\u00e9"


def everything_said(error):
    seen, queue = [], [error]
    while queue:
        current = queue.pop()
        seen += [str(current), repr(current), repr(vars(current)), repr(pickle.loads(pickle.dumps(current)))]
        queue += [linked for linked in (current.__context__, current.__cause__) if linked]
    return "".join([*seen, *traceback.format_exception(error)])


@pytest.mark.parametrize("step", ["__init__", "info", "put_file", "mv"])
def test_no_secret_is_ever_shown(step):
    forms = [CANARY, repr(CANARY), quote(CANARY), quote_plus(CANARY), quote(CANARY, "").lower(), *OTHERS]
    said = f"bad {' '.join(forms)}"

    class Chatty(MemoryFileSystem):
        cachable = False
        store: dict = {}  # noqa: RUF012
        protocol = "chatty"

    def fail(self, *args, **kwargs):
        raise ValueError(said) from RuntimeError(said)

    setattr(Chatty, step, fail)
    fsspec.register_implementation("chatty", Chatty, clobber=True)
    user, password, listed, raw = OTHERS
    url = f"chatty://{user}:{password}@host/a.bin"
    options = {"secret": CANARY, "client_kwargs": {"passwords": [listed]}, "token": raw.encode(), "port": 80}
    with pytest.raises((WriteError, ConfigError)) as caught:
        publish(url, NEW, options=options, new_folders=None)
    told = everything_said(caught.value)
    assert "ValueError: bad *** " in told
    for secret in ("c4n4ry", *OTHERS):
        assert secret not in told.lower()


@pytest.mark.parametrize(
    ("options", "said", "shown"),
    [
        ({"region": "us", "port": 80}, "no us-east at host:80", "no us-east at host:80"),
        ({"pin": "b"}, "a b c, abc, x_b=b", "a *** c, abc, x_***=***"),
        ({"password": 12345678}, "login 12345678 refused", "login *** refused"),
        ({"password": 42}, "42 or 420", "*** or 420"),
        ({"anon": True, "token": None}, "True is not None", "True is not None"),
        ({"sas": "a/"}, "a/b, ba/", "***b, ba/"),
        ({"secret": "s3cr3t"}, "xs3cr3ty", "x***y"),
        ({"password": "wrong"}, "the password is wrong, not 'wrong'", "the password is wrong, not '***'"),
        ({"password": "password123"}, "no password, no Password123", "no password, no ***"),
        ({"jwt": "eyJhbGciOiJIUzI1"}, "got eyJhbGciOi", "got ***"),
        ({"client_kwargs": {"headers": {"X-JFrog-Art-Api": "AKC1x"}}}, "AKC1x", "***"),
        ({"proxy": "http://ann:hush1@proxy:80"}, "proxy:80 hush1", "proxy:80 ***"),
        ({"endpoint": "https://host/a?sig=q1&format=csv"}, "host/a.csv q1", "host/a.csv ***"),
        ({"config_kwargs": {"signature_version": "s3v4"}}, "no s3v4", "no s3v4"),
    ],
)
def test_short_secrets_are_masked_as_words_and_long_ones_anywhere(options, said, shown):
    assert Mask("memory://x", options)(OSError(said)) == f"OSError: {shown}"


def test_the_shown_part_of_a_url_is_not_masked():
    mask = Mask("abfs://box@lake.dfs/a.parquet", {"account_key": "box", "account_name": "lake"})
    assert mask(OSError("no box in lake")) == "OSError: no box in lake"


def test_parts_of_a_password_with_slash_are_masked():
    assert Mask("ftp://user:hush/other@host/a", {})(ValueError("port 'hush'")) == "ValueError: port '***'"


def test_rejected_login_does_not_reveal_the_key(s3_store, monkeypatch):
    import s3fs

    async def denied(self, *args, **kwargs):
        raise PermissionError("The key canary-key with canary-s3cret is not in our records")

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", denied)
    with pytest.raises(WriteError) as caught:
        publish(s3_store.url("a.bin"), NEW, options=s3_store.options | {"skip_instance_cache": True})
    assert "The key *** with *** is not" in str(caught.value)
    assert "permission to write" in caught.value.hint
    assert "canary" not in everything_said(caught.value)


def test_repr_of_target_contains_no_secrets(s3_store):
    target = Target.resolve(s3_store.url("a.bin"), storage_options=s3_store.options)
    assert "canary" not in repr(target) + str(vars(target))


@pytest.mark.skipif(WINDOWS, reason="Windows has no such names for streams")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_stream_of_the_process_is_no_target(name):
    with pytest.raises(ConfigError, match="standard stream"):
        Target.resolve(name)
