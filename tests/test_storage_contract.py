"""What is promised of every store, run on each: local disk, memory, a mock S3; with `-m stores` on real servers too.

`EXPLORER_FRAMES_TEST_URL` (and `EXPLORER_FRAMES_TEST_OPTIONS`, as JSON) adds a store of your own: the tests work in a
new folder below that URL, and remove it.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from faults.rawserver import wait_until
from limits import HANG, PROCESS
from platforms import WINDOWS, needs_fork, needs_posix_signals

from explorer_frames._storage import schemes as _schemes, spool as _spool, stores as _stores
from explorer_frames._storage.folder import Folder
from explorer_frames._storage.publish import Target
from explorer_frames._storage.schemes import scheme_of
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

pytest_plugins = ["storage"]

# aiohttp about the bodies that adlfs and gcsfs hand it; here warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

OLD, NEW = b"old " * 1000, b"new " * 2000
NAMES = [
    "plain.bin",
    "a b.bin",
    "100%.bin",
    "%41.bin",
    "#1.bin",
    "gr\u00fc\u00dfe \U0001f600.bin",
    "x[1]*.bin",
    "a@b,c.bin",
]


def publish(store, name, content, *, mode="overwrite", options=None):
    target = Target.resolve(store.url(name), mode=mode, storage_options=store.options if options is None else options)
    with target.spool() as path:
        Path(path).write_bytes(content)
        target.publish(path)
    return target


@pytest.fixture(autouse=True)
def spools(tmp_path_factory, monkeypatch):
    """Keep the temporary files of remote targets in a folder of their own, which must be empty in the end."""
    folder = tmp_path_factory.mktemp("spools")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def in_the_end(store, name, *contents):
    """Check what a fault left: one whole file of these, and nothing beside it."""
    found, content = store.names(), store.read(name)
    debris = len(found) - 1 + len(store.uploads())
    store.count(reads=1, partial=content not in contents, debris=debris)
    assert content in contents
    assert found == [name]
    assert store.uploads() == []
    return content


@pytest.mark.parametrize("mode", ["overwrite", "create"])
@pytest.mark.parametrize("name", NAMES)
def test_a_new_file_arrives_whole_under_its_exact_name(store, name, mode):
    if re.search(store.refused, name):
        with pytest.raises((ConfigError, WriteError)) as caught:
            Target.resolve(store.url(name), mode=mode, storage_options=store.options)
        assert "created implicitly" not in str(caught.value)
        assert store.names() == []
        return
    publish(store, name, NEW, mode=mode)
    assert store.names() == [name]
    assert store.read(name) == NEW


@pytest.mark.parametrize("name", ["plain.bin", "x[1]*.bin"])
def test_overwrite_replaces_that_file_alone(store, name):
    if re.search(store.refused, name):
        pytest.skip("no name of this store, as another test shows")
    store.put(name, OLD)
    store.put("x1.bin", OLD)  # what a glob would match
    publish(store, name, NEW)
    assert store.read(name) == NEW
    assert store.read("x1.bin") == OLD
    assert store.names() == sorted([name, "x1.bin"])


def test_in_place_overwrites_that_file_alone(store):
    for content in (OLD, NEW, OLD):
        target = publish(store, "a.bin", content, mode="in_place")
        assert store.read("a.bin") == content
        assert target.place.is_atomic == scheme_of(store.base).is_object_store
    assert store.names() == ["a.bin"]


@pytest.mark.parametrize("raised", [RuntimeError("body"), KeyboardInterrupt(), SystemExit(1)])
def test_exception_in_context_keeps_the_old_file(store, raised):
    store.put("a.bin", OLD)
    target = Target.resolve(store.url("a.bin"), storage_options=store.options)
    spools = []

    def fail():
        with target.spool() as path:
            spools.append(Path(path))
            spools[0].write_bytes(NEW)
            raise raised

    with pytest.raises(type(raised)) as caught:
        fail()
    store.count(fault_points=1)
    assert caught.value is raised
    assert not spools[0].exists()
    in_the_end(store, "a.bin", OLD)


def test_create_rejects_an_existing_file_before_any_work(store):
    store.put("a.bin", OLD)
    with pytest.raises(TargetExistsError, match="the target already exists") as caught:
        Target.resolve(store.url("a.bin"), mode="create", storage_options=store.options)
    assert "a.bin" in str(caught.value)
    assert store.read("a.bin") == OLD


def test_create_rejects_a_file_created_in_the_meantime(store):
    target = Target.resolve(store.url("a.bin"), mode="create", storage_options=store.options)
    if store.name.startswith("gs"):
        pytest.skip("the emulator ignores preconditions: unproven here")
    store.put("a.bin", OLD)
    with target.spool() as path:
        Path(path).write_bytes(NEW)
        with pytest.raises(TargetExistsError) as caught:
            target.publish(path)
    assert caught.value.__context__ is None
    in_the_end(store, "a.bin", OLD)


def test_one_of_concurrent_creators_wins(store):
    for attempt in range(5):
        name, outcomes, start = f"{attempt}.bin", [], threading.Barrier(6)
        targets = [
            Target.resolve(store.url(name), mode="create", storage_options=store.options) for _ in range(start.parties)
        ]

        def race(number, target, outcomes=outcomes, start=start):
            with target.spool() as path:
                Path(path).write_bytes(bytes([number]) * 1000)
                start.wait()
                try:
                    target.publish(path)
                    outcomes.append(number)
                except WriteError:
                    outcomes.append(None)

        threads = [threading.Thread(target=race, args=pair) for pair in enumerate(targets)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [number for number in outcomes if number is not None]
        assert len(outcomes) == len(targets)
        content = store.read(name)
        store.count(reads=1, partial=len(content) != 1000 or len(set(content)) != 1)
        assert content in [bytes([number]) * 1000 for number in range(6)]
        if store.exclusive:
            assert [bytes(winners) * 1000] == [content]
    assert store.names() == [f"{attempt}.bin" for attempt in range(5)]


def test_writers_in_many_threads_do_not_disturb_each_other(store):
    failures = []

    def write(number):
        try:
            for turn in range(3):
                publish(store, f"{number}.bin", bytes([number, turn]) * 1000)
        except Exception as error:  # noqa: BLE001 (shown below)
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [store.read(f"{number}.bin") for number in range(4)] == [bytes([number, 2]) * 1000 for number in range(4)]
    assert store.names() == [f"{number}.bin" for number in range(4)]


# SMB tells a reader to come again: a sharing violation, a delete that is pending; for both, a disk of Windows says that
# permission is denied.
LOCKED = {0xC0000043, 0xC0000056}


class Reader(threading.Thread):
    """Polls a target, and keeps what it saw: (first byte, size, number of different bytes)."""

    def __init__(self, store, name):
        super().__init__(daemon=True)
        self.store, self.name_read = store, name
        self.seen, self.reads, self.absent, self.done = set(), 0, 0, threading.Event()

    def run(self):
        while not self.done.is_set():
            try:
                content = self.store.read(self.name_read)
            except Exception as error:  # noqa: BLE001 (what is no answer of a store's own is seen)
                # WsgiDAV may find a file, and lose it before it is opened.
                lost = not self.store.whole and getattr(getattr(error, "response", None), "status_code", None) == 500
                if lost or self.store.says_absent(error):
                    self.absent += 1
                elif getattr(error, "ntstatus", None) not in LOCKED and not (
                    WINDOWS and isinstance(error, PermissionError)
                ):
                    self.seen.add((repr(error), 0, 0))
            else:
                self.reads += 1
                self.seen.add((content[:1], len(content), len(set(content))))

    def stop(self, allowed):
        wait_until(lambda: self.reads or not self.is_alive())
        self.done.set()
        self.join(HANG)
        partial = len(self.seen - allowed)
        self.store.count(reads=self.reads, partial=partial, absent=self.absent)
        assert self.seen <= allowed
        assert self.reads > 0
        if self.store.whole:
            assert self.absent == 0


def test_a_reader_sees_only_whole_files(store):
    old, new = b"o" * 1_000_000, b"n" * 1_500_000
    store.put("a.bin", old)
    reader = Reader(store, "a.bin")
    reader.start()
    for content in itertools.islice(itertools.cycle([new, old]), 4):
        publish(store, "a.bin", content)
        time.sleep(0.02)
    reader.stop({(b"o", 1_000_000, 1), (b"n", 1_500_000, 1)})


def test_missing_folders_are_refused_unless_they_are_to_be_made(store):
    def resolve(new_folders):
        return Target.resolve(store.url("2026/11/a.bin"), storage_options=store.options, new_folders=new_folders)

    if scheme_of(store.base).is_object_store:
        publish(store, "2026/11/a.bin", NEW)  # there are no folders
        return
    for new_folders, missing in ((0, "2026/11"), (1, "2026")):
        with pytest.raises(WriteError, match=f"the folder does not exist: .*{missing}'") as caught:
            resolve(new_folders)
        assert "make_parents=True" in caught.value.hint
        assert caught.value.errno == errno.ENOENT
    assert store.names() == []
    target = resolve(2)
    with target.spool() as path:
        Path(path).write_bytes(NEW)
        target.publish(path)
    assert store.read("2026/11/a.bin") == NEW
    publish(store, "2026/11/a.bin", OLD)
    assert store.read("2026/11/a.bin") == OLD


def test_a_folder_is_no_target(store):
    store.put("folder/a.bin", OLD)
    if scheme_of(store.base).is_object_store:
        publish(store, "folder", NEW)
        assert (store.read("folder"), store.read("folder/a.bin")) == (NEW, OLD)
        return
    with pytest.raises(ConfigError, match="the target is a directory"):
        Target.resolve(store.url("folder"), storage_options=store.options)


def test_only_large_bodies_wait_for_the_permission_of_s3(s3_store, s3_requests):
    publish(s3_store, "a.bin", OLD)
    fs, _ = s3_store.fs()
    expected = []
    fs.s3.meta.events.register_last(
        "before-send.s3", lambda request, **_: expected.append(request.headers.get("Expect"))
    )
    for size in (10, 2**16, 2**16 + 1):
        publish(s3_store, "a.bin", b"a" * size)
        assert s3_store.read("a.bin") == b"a" * size
    assert [value for value in expected if value] == [b"100-continue"]
    assert len(expected) >= 3


def test_a_write_to_s3_takes_one_request_after_the_bucket_was_checked(s3_store, s3_requests):
    publish(s3_store, "a.bin", OLD)
    assert s3_requests() == ["GET", "PUT"]
    for name in ("a.bin", "2026/b.bin"):
        publish(s3_store, name, NEW)
        assert s3_requests() == ["PUT"]
    publish(s3_store, "c.bin", NEW, mode="create")
    assert s3_requests() == ["GET", "PUT"]
    with pytest.raises(TargetExistsError):
        publish(s3_store, "c.bin", OLD, mode="create")
    assert s3_requests() == ["GET"]
    assert s3_store.read("c.bin") == NEW


def test_a_write_in_parts_to_s3_takes_the_requests_of_the_parts(s3_store, s3_requests, monkeypatch):
    set_part_size(monkeypatch, 5)
    publish(s3_store, "a.bin", bytes(12 << 20))
    assert s3_requests() == ["GET", "POST", *["PUT"] * 3, "POST", "HEAD"]


def test_a_file_whose_name_is_the_beginning_of_another_one_is_created(store):
    publish(store, "a.bin.old", OLD)
    publish(store, "a.bin", NEW, mode="create")
    assert (store.read("a.bin"), store.read("a.bin.old")) == (NEW, OLD)


def test_an_object_that_is_changed_on_its_way_is_refused_by_s3(s3_store, s3_requests):
    publish(s3_store, "a.bin", OLD)
    fs, _ = s3_store.fs()

    def change(request, **_):
        if request.method == "PUT":
            request.body = bytes(len(NEW))

    fs.s3.meta.events.register("before-send.s3", change)
    with pytest.raises(WriteError):
        publish(s3_store, "a.bin", NEW)
    assert s3_store.read("a.bin") == OLD


def test_a_bucket_that_is_removed_after_it_was_checked_is_named_by_the_next_write(s3_store, s3_requests):
    fs, _ = s3_store.fs()
    bucket = f"b{uuid.uuid4().hex}"
    fs.mkdir(bucket)
    s3_store.base = f"s3://{bucket}"
    publish(s3_store, "a.bin", OLD)
    fs.rm(f"{bucket}/a.bin")
    fs.rmdir(bucket)
    with pytest.raises(WriteError) as caught:
        publish(s3_store, "a.bin", NEW)
    assert "never created implicitly" in caught.value.hint


# Faults


def test_replaced_object_is_reported_only_if_its_size_differs(store, monkeypatch):
    target = Target.resolve(store.url("a.bin"), storage_options=store.options)
    put = target.place.put

    def put_and_be_overtaken(*args, **kwargs):
        put(*args, **kwargs)
        store.put("a.bin", OLD)

    with target.spool() as path:
        Path(path).write_bytes(NEW)
        monkeypatch.setattr(target.place, "put", put_and_be_overtaken)
        if type(target.place) is _stores.StoredObject and target.place.has_folders:
            with pytest.raises(WriteError, match=f"has {len(OLD)} bytes, expected {len(NEW)}") as caught:
                target.publish(path)
            assert "Another process" in caught.value.hint
        else:
            target.publish(path)
    in_the_end(store, "a.bin", OLD)


def test_failed_check_after_put_is_not_an_error(store, monkeypatch):
    target = Target.resolve(store.url("a.bin"), storage_options=store.options)
    if type(target.place) is not _stores.StoredObject or not target.place.has_folders:
        pytest.skip("nothing is looked at after the last step")
    looks = []

    def fail(path, **kwargs):
        looks.append(path)
        raise OSError(errno.EIO, "no")

    with target.spool() as path, monkeypatch.context() as patched:
        Path(path).write_bytes(NEW)
        patched.setattr(target.place.fs, "info", fail)
        target.publish(path)
    assert looks
    in_the_end(store, "a.bin", NEW)


@pytest.mark.parametrize("raised", [OSError(errno.EIO, "no"), KeyboardInterrupt()], ids=["OSError", "interrupt"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["_upload", "info", "rm_file", "_move"])
def test_failing_driver_leaves_only_a_complete_file(store, monkeypatch, call, when, raised):
    """`after`: the store did it, and its answer was lost."""
    store.put("a.bin", OLD)
    target = Target.resolve(store.url("a.bin"), storage_options=store.options)
    owner = target.place if call in {"_upload", "_move"} else getattr(target.place, "fs", None)
    if not hasattr(owner, call):
        pytest.skip("this store is not published to by that call")
    real, calls = getattr(owner, call), []

    def fail(*args, **kwargs):
        calls.append(args)
        if when == "after":
            real(*args, **kwargs)
        raise raised

    failed = None
    with monkeypatch.context() as patched, target.spool() as path:
        Path(path).write_bytes(NEW)
        patched.setattr(owner, call, fail)
        try:
            target.publish(path)
        except (WriteError, KeyboardInterrupt) as error:
            failed = error
    store.count(fault_points=bool(calls))
    if call == "rm_file":  # what cannot be removed waits for the next write; see below
        assert store.read("a.bin") in {OLD, NEW}
        monkeypatch.setattr(_spool, "STALE", -1e6)
        sweep(store)
        in_the_end(store, "a.bin", OLD, NEW)
    else:
        content = in_the_end(store, "a.bin", OLD, NEW)
        assert failed or content == NEW


def sweep(store):
    folder = Folder(store.base, store.options)
    folder.remove_stale(folder.files())


def test_stale_temporary_files_are_removed_from_a_folder(store, monkeypatch):
    if scheme_of(store.base).is_object_store:
        pytest.skip("nothing is put beside such a target")
    stale = [_spool.hidden_name("a.bin"), _spool.hidden_name("a.bin", "old")]
    only_copy = _spool.hidden_name("b.bin", "old")
    for name in (*stale, only_copy, "a.bin"):
        store.put(name, OLD)
    sweep(store)
    assert store.names() == sorted([*stale, only_copy, "a.bin"])
    monkeypatch.setattr(_spool, "STALE", -1e6)  # clocks differ
    sweep(store)
    assert store.names() == sorted([only_copy, "a.bin"])


def set_part_size(monkeypatch, mebibytes):
    monkeypatch.setitem(_schemes._SCHEMES, "s3", replace(scheme_of("s3://"), part_size=mebibytes * 2**20))


class _Parts:
    """Fails one call that a multipart upload is made of."""

    def __init__(self, real, method, number):
        self.real, self.method, self.number, self.calls = real, method, number, 0

    async def __call__(self, method, *args, **kwargs):
        if method == self.method:
            self.calls += 1
            if self.calls == self.number:
                raise OSError(errno.EIO, "the connection broke")
        return await self.real(method, *args, **kwargs)


@pytest.mark.parametrize("lent", ["s3", pytest.param("radosgw", marks=pytest.mark.stores)])
@pytest.mark.parametrize(
    ("megabytes", "part", "method", "number"),
    [
        (12, 5, "create_multipart_upload", 1),
        (12, 5, "upload_part", 1),
        (12, 5, "upload_part", 2),
        (12, 5, "upload_part", 3),
        (12, 5, "complete_multipart_upload", 1),
        pytest.param(120, 8, "upload_part", 1, marks=pytest.mark.stores),
        pytest.param(120, 8, "upload_part", 8, marks=pytest.mark.stores),
        pytest.param(120, 8, "upload_part", 15, marks=pytest.mark.stores),
        pytest.param(120, 8, "complete_multipart_upload", 1, marks=pytest.mark.stores),
    ],
)
def test_failed_multipart_upload_is_aborted(request, monkeypatch, lent, megabytes, part, method, number):  # noqa: PLR0917
    store = request.getfixturevalue(f"{lent}_store")
    store.put("a.bin", OLD)
    set_part_size(monkeypatch, part)
    target = Target.resolve(store.url("a.bin"), storage_options=store.options)
    fs = target.place.fs
    failing = _Parts(fs._call_s3, method, number)
    with monkeypatch.context() as patched, target.spool() as path:
        Path(path).write_bytes(os.urandom(2**20) * megabytes)
        patched.setattr(fs, "_call_s3", failing)
        with pytest.raises(WriteError, match="the connection broke"):
            target.publish(path)
    store.count(fault_points=1)
    assert failing.calls >= number
    in_the_end(store, "a.bin", OLD)


@pytest.mark.parametrize("lent", ["s3", pytest.param("radosgw", marks=pytest.mark.stores)])
@needs_posix_signals
def test_interrupted_multipart_upload_is_aborted(request, monkeypatch, lent):
    store = request.getfixturevalue(f"{lent}_store")
    store.put("a.bin", OLD)
    set_part_size(monkeypatch, 5)
    monkeypatch.setattr(_stores, "_PATIENCE", HANG)  # time for a busy server to abort the upload
    target = Target.resolve(store.url("a.bin"), storage_options=store.options)
    fs, new = target.place.fs, os.urandom(2**20) * 12
    real, calls = fs._call_s3, []

    async def call(method, *args, **kwargs):
        calls.append(method)
        if method == "upload_part":
            if calls.count(method) == 1:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            await asyncio.sleep(0.5)
        return await real(method, *args, **kwargs)

    with monkeypatch.context() as patched, target.spool() as path:
        Path(path).write_bytes(new)
        patched.setattr(fs, "_call_s3", call)
        with pytest.raises(KeyboardInterrupt):
            target.publish(path)
    store.count(fault_points=1)
    assert "upload_part" in calls
    in_the_end(store, "a.bin", OLD, new)


@needs_posix_signals
def test_an_upload_that_is_interrupted_leaves_a_whole_file_and_goes_on_no_longer(store, monkeypatch):
    store.put("a.bin", OLD)
    monkeypatch.setattr(_stores, "_PATIENCE", HANG)  # time for a busy server to end the put
    target, new = Target.resolve(store.url("a.bin"), storage_options=store.options), os.urandom(2**20) * 12
    fs = getattr(target.place, "fs", None)
    if not getattr(fs, "async_impl", False):
        pytest.skip("its driver works in the thread that is interrupted")
    real, ends = fs._put_file, []

    async def put(*args, **kwargs):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        try:
            await real(*args, **kwargs)
        finally:
            ends.append(args)

    with monkeypatch.context() as patched, target.spool() as path:
        Path(path).write_bytes(new)
        patched.setattr(fs, "_put_file", put)
        with pytest.raises(KeyboardInterrupt):
            target.publish(path)
        assert len(ends) == 1
    store.count(fault_points=1)
    in_the_end(store, "a.bin", OLD, new)


# Killed processes

KILLED = {"local": 200, "shm": 20, "s3": 5, "radosgw": 20, "azure": 5, "gcs": 5, "sftp": 20, "smb": 10, "webdav": 10}


@pytest.mark.stores
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("lent", KILLED)
@needs_fork
def test_a_killed_writer_leaves_a_whole_file(request, monkeypatch, spools, lent, number):
    store, kills = request.getfixturevalue(f"{lent}_store"), KILLED[lent]
    store.put("a.bin", b"a" * 700_000)
    local = lent in {"local", "shm"}
    work = {
        "url": store.url("a.bin"),
        "options": store.options,
        "signals": [int(getattr(signal, number))] * kills,
        "longest": 0.01 if local else 0.3,
        "seed": 20261125,
    }
    reader = Reader(store, "a.bin")
    reader.start()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed_writer.py")), repr(work)],
        env={**os.environ, "TMPDIR": str(spools), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=PROCESS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reader.stop({(b"a", 700_000, 1), (b"b", 1_100_000, 1)})
    published = [int(line) for line in done.stdout.split()]
    assert len(published) == kills
    left = len(store.names()) - 1
    store.count(kills=kills, left=left, spools=len(list(spools.iterdir())))
    for spool in spools.iterdir():
        os.utime(spool, (1, 1))
    publish(store, "a.bin", NEW)
    monkeypatch.setattr(_spool, "STALE", -1e6)
    sweep(store)
    in_the_end(store, "a.bin", NEW)


# What must be refused before any work is lost


def refused_in_resolve(store, options, *, url=None):
    with pytest.raises(WriteError) as caught:
        Target.resolve(url or store.url("a.bin"), storage_options=options)
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "s3cret" not in told
    assert caught.value.__context__ is None
    assert caught.value.hint
    store.count(fault_points=1)
    return caught.value


def test_a_missing_bucket_container_or_share_is_refused_and_not_made(store):
    if not store.server.missing:
        pytest.skip("this store has no such thing")
    for mode in ("first", "again: it was not made"):
        error = refused_in_resolve(store, store.options, url=f"{store.server.missing}/folder/{mode}.bin")
        assert "Create the bucket" in error.hint


def test_a_wrong_login_is_refused(store):
    if not store.server.wrong_login:
        pytest.skip("this store has no login here")
    store.put("a.bin", OLD)
    error = refused_in_resolve(store, store.server.wrong_login)
    assert "other credentials" in error.hint
    in_the_end(store, "a.bin", OLD)


def test_a_server_that_is_down_is_refused(store):
    if not store.server.down:
        pytest.skip("this store has no address of its own")
    refused_in_resolve(store, store.server.down)


def test_read_only_credentials_are_rejected(store):
    if not store.server.read_only:
        pytest.skip("this store has no read-only login here")
    store.put("a.bin", OLD)
    base, options = store.server.read_only
    url = f"{base}/{store.base.rpartition('/')[2]}/a.bin"
    if store.name.startswith("s3"):  # S3 cannot be asked for the right to write
        target = Target.resolve(url, storage_options=options)
        with target.spool() as path:
            Path(path).write_bytes(NEW)
            with pytest.raises(WriteError, match="PermissionError") as caught:
                target.publish(path)
        assert "s3cret" not in str(caught.value)
        store.count(fault_points=1)
    else:
        assert "permission to write" in refused_in_resolve(store, options, url=url).hint
    in_the_end(store, "a.bin", OLD)
