"""What Windows and macOS lack or do differently, simulated on any system by taking away what they lack."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from explorer_frames import read_output
from explorer_frames._doctor.target import _folder
from explorer_frames._http import failures as _failures
from explorer_frames._http.exchange import Deadline
from explorer_frames._storage import address as _address, failures as _of_stores, local as _local
from explorer_frames._storage.address import invalid_on_windows, without_scheme
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.publish import Target
from explorer_frames.cli import _out
from explorer_frames.errors import ConfigError, RequestTimeoutError, TargetExistsError, WriteError

OLD, NEW = b"old " * 1000, b"new " * 2000


def publish(url, content, *, mode="overwrite"):
    target = Target.resolve(url, mode=mode, new_folders=1)
    with target.spool() as path:
        Path(path).write_bytes(content)
        target.publish(path)
    return target


def refused(number, winerror):
    """Make the error that Windows raises."""
    error = OSError(number, "refused by Windows")
    error.winerror = winerror
    return error


@pytest.fixture
def windows(monkeypatch, tmp_path):
    """Lend a folder where nothing can be done that Windows cannot do."""
    real_open, real_rename = os.open, os.rename

    def open_file(path, *args, **kwargs):
        if Path(path).is_dir():
            raise refused(errno.EACCES, 5)
        return real_open(path, *args, **kwargs)

    def rename(old, new, **_):
        if Path(new).exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        real_rename(old, new)

    for module in (_address, _local):
        monkeypatch.setattr(module, "WINDOWS", True)
    for name in ("O_TMPFILE", "chown", "link", "fchmod", "geteuid"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "rename", rename)
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_publishing_uses_windows_operations(windows):
    publish(windows / "new" / "a", OLD, mode="create")
    publish(windows / "new" / "a", NEW)
    assert contents(windows / "new") == {"a": NEW}
    with pytest.raises(TargetExistsError):
        publish(windows / "new" / "a", OLD, mode="create")
    late = Target.resolve(windows / "new" / "b", mode="create")
    with late.spool() as path:
        Path(path).write_bytes(NEW)
        (windows / "new" / "b").write_bytes(OLD)
        with pytest.raises(TargetExistsError):
            late.publish(path)
    assert contents(windows / "new") == {"a": NEW, "b": OLD}


def test_one_of_concurrent_creators_wins_without_hard_links(windows):
    outcomes, start = [], threading.Barrier(4)

    def race(number):
        target = Target.resolve(windows / "a", mode="create")
        with target.spool() as path:
            Path(path).write_bytes(bytes([number]) * 1000)
            start.wait(30)
            try:
                target.publish(path)
                outcomes.append(number)
            except TargetExistsError:
                outcomes.append(None)

    # One rename at a time, as the real one looks and renames in one step.
    lock, rename = threading.Lock(), os.rename

    def one_at_a_time(*paths, **options):
        with lock:
            rename(*paths, **options)

    os.rename = one_at_a_time
    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    winners = [number for number in outcomes if number is not None]
    assert len(outcomes) == 4
    assert contents(windows) == {"a": bytes(winners) * 1000}


@pytest.mark.parametrize("winerror", [5, 32])
@pytest.mark.parametrize(("call", "mode"), [("replace", "overwrite"), ("rename", "create")])
def test_publishing_waits_until_a_reader_has_closed_the_file(windows, monkeypatch, call, mode, winerror):
    real, calls = getattr(os, call), []

    def locked(*args, **kwargs):
        calls.append(args)
        if len(calls) < 4:
            raise refused(errno.EACCES, winerror)
        return real(*args, **kwargs)

    if mode == "overwrite":
        (windows / "a").write_bytes(OLD)
    monkeypatch.setattr(os, call, locked)
    publish(windows / "a", NEW, mode=mode)
    assert len(calls) == 4
    assert contents(windows) == {"a": NEW}


@pytest.mark.parametrize(("number", "winerror", "tries"), [(errno.EACCES, 32, 2), (errno.EACCES, None, 1)])
def test_locked_file_raises_an_error(tmp_path, monkeypatch, number, winerror, tries):
    (tmp_path / "a").write_bytes(OLD)
    calls = []

    def locked(*args):
        calls.append(args)
        if len(calls) == 2:
            monkeypatch.setattr(_of_stores, "_PATIENCE", 0.0)
        raise refused(number, winerror)

    monkeypatch.setattr(os, "replace", locked)
    clock = SimpleNamespace(monotonic=iter(range(0, 10_000, 8)).__next__, sleep=time.sleep)
    monkeypatch.setattr(_of_stores, "time", clock)  # not the clock of the servers' event loops
    with pytest.raises(WriteError) as caught:
        publish(tmp_path / "a", NEW)
    assert len(calls) == tries
    assert ("Close the file in other programs" in caught.value.hint) == (winerror == 32)
    assert contents(tmp_path) == {"a": OLD}


def test_a_pattern_is_read_where_no_file_can_have_such_a_name(tmp_path, monkeypatch):
    (tmp_path / "part-0").write_bytes(b"a,1\n")
    (tmp_path / "part-1").write_bytes(b"b,2\n")
    real = os.stat

    def stat(path, *args, **kwargs):
        if "*" in str(path):
            raise refused(errno.EINVAL, 123)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", stat)
    assert read_output(f"{tmp_path}/part-*", schema="pagerank")["id"].tolist() == ["a", "b"]
    with pytest.raises(WriteError) as caught:
        Target.resolve(tmp_path / "a*b")
    assert caught.value.hint.startswith("Pass another file name")


@pytest.mark.parametrize(
    ("url", "windows", "elsewhere"),
    [
        ("file:///C:/lake/a.parquet", "C:/lake/a.parquet", "/C:/lake/a.parquet"),
        ("file://C:/lake/a.parquet", "C:/lake/a.parquet", "C:/lake/a.parquet"),
        (r"file://C:\lake\a.parquet", r"C:\lake\a.parquet", r"C:\lake\a.parquet"),
        ("local:///d:/a", "d:/a", "/d:/a"),
        ("file:C:/a", "C:/a", "C:/a"),
        ("file:////server/share/a", "//server/share/a", "//server/share/a"),
        (r"\\server\share\a", r"\\server\share\a", r"\\server\share\a"),
        (r"C:\lake\a.parquet", r"C:\lake\a.parquet", r"C:\lake\a.parquet"),
        ("file:///tmp/a", "/tmp/a", "/tmp/a"),
        ("file:///a/C:/b", "/a/C:/b", "/a/C:/b"),
    ],
)
def test_local_urls_with_and_without_a_drive(url, windows, elsewhere):
    assert without_scheme(url, windows=True) == windows
    assert without_scheme(url, windows=False) == elsewhere


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (r"C:\lake\a.parquet", None),
        ("C:/lake/task=a%3Ab/part-0.parquet", None),
        (r"\\server\share\a.parquet", None),
        (r"\\?\C:\lake\a.parquet", None),
        (r"..\lake\.\a.parquet", None),
        ("console.parquet", None),
        ("COM10.parquet", None),
        ("gr\u00fc\u00dfe \U0001f600.parquet", None),
        ("a:b.parquet", None),  # in the current folder of drive A
        ("ab:c.parquet", "ab:c.parquet"),
        (r"C:\a:b\c.parquet", "a:b"),
        ("C:/lake/a?.parquet", "a?.parquet"),
        ("a*", "a*"),
        ('say "a".parquet', 'say "a".parquet'),
        ("a\nb", "a\nb"),
        ("a|b", "a|b"),
        ("a.parquet.", "a.parquet."),
        ("folder /a.parquet", "folder "),
        (r"lake\nul", "nul"),
        ("NUL.parquet", "NUL.parquet"),
        ("con .tar.gz", "con .tar.gz"),
        ("Com1.parquet", "Com1.parquet"),
        ("LPT\u00b9", "LPT\u00b9"),
        ("CONOUT$", "CONOUT$"),
    ],
)
def test_reserved_windows_names_are_rejected(path, name):
    assert invalid_on_windows(path) == name


@pytest.mark.parametrize("url", ["ab:c.parquet", "file:///C:/lake/NUL", Path("lake.", "a"), Path("a::b")])
def test_a_name_that_is_invalid_on_windows_is_refused_before_any_work(windows, monkeypatch, url):
    monkeypatch.chdir(windows)
    with pytest.raises(ConfigError, match="is not a valid file name on Windows") as caught:
        Target.resolve(url)
    assert caught.value.hint
    assert contents(windows) == {}
    Target.resolve("memory://a:b?.parquet")  # the name of an object


def test_a_file_instead_of_a_folder_is_reported(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(NotADirectoryError):
        LocalFile(str(tmp_path / "a" / "b")).probe()
    LocalFile(str(tmp_path / "new" / "b")).probe()


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EINVAL])
def test_a_closed_pipe_is_recognized_by_the_errors_of_windows(monkeypatch, number):
    class Closed(io.StringIO):
        def write(self, text):
            raise OSError(number, "closed")

    monkeypatch.setattr(_out, "_NO_READER", {errno.EPIPE, errno.EINVAL})
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        _out.write("a")


def test_an_invalid_argument_is_an_error_of_the_output_elsewhere(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError(errno.EINVAL, "invalid")

    monkeypatch.setattr(_out, "_NO_READER", {errno.EPIPE})
    monkeypatch.setattr(sys, "stdout", Broken())
    with pytest.raises(_out.OutputError, match="invalid"):
        _out.write("a")


@pytest.mark.parametrize(("tick", "seconds", "over"), [(0.5, 0.2, True), (0.5, 60, False), (0.0, 60, False)])
def test_a_timeout_at_the_deadline_is_known_as_such_by_a_coarse_clock(monkeypatch, tick, seconds, over):
    monkeypatch.setattr(_failures, "TICK", tick)
    error = _failures.translated(TimeoutError(), Deadline(seconds), "GET x")
    assert (type(error), error.final) == (RequestTimeoutError, over)
    assert ("exceeded the deadline" in error.what) is over


def test_the_doctor_writes_in_the_folder_of_a_file_named_by_a_path_of_this_system(tmp_path):
    assert _folder(str(tmp_path / "a.parquet")) == str(tmp_path)
    assert _folder("a.parquet") == "."
    assert _folder("memory://lake/a.parquet") == "memory://lake"
