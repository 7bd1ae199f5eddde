from __future__ import annotations

import errno
import itertools
import os
import pickle
import threading
import time
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from explorer_frames._address import shown_url
from explorer_frames._publish import Target
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

pytest_plugins = ["storage"]

OLD, NEW = b"old " * 1000, b"new " * 2000
NAMES = ["plain.bin", "a b.bin", "100%.bin", "%41#1.bin", "gr\u00fc\u00dfe \U0001f600.bin", "x[1]*.bin", "a@b,c.bin"]


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def publish(url, content, *, mode="overwrite", options=None):
    target = Target.resolve(url, mode=mode, storage_options=options)
    with target.spool() as path:
        Path(path).write_bytes(content)
        target.publish(path)
    assert not Path(path).exists()
    return target


@pytest.mark.parametrize("mode", ["overwrite", "create"])
@pytest.mark.parametrize("name", NAMES)
def test_a_new_file_arrives_whole_under_its_exact_name(store, name, mode):
    publish(store.url(name), NEW, mode=mode, options=store.options)
    assert store.names() == [name]
    assert store.read(name) == NEW


@pytest.mark.parametrize("name", ["plain.bin", "x[1]*.bin"])
def test_overwrite_replaces_that_file_alone(store, name):
    store.put(name, OLD)
    store.put("x1.bin", OLD)  # what a glob would match
    publish(store.url(name), NEW, options=store.options)
    assert store.read(name) == NEW
    assert store.read("x1.bin") == OLD
    assert store.names() == sorted([name, "x1.bin"])


@pytest.mark.parametrize("raised", [RuntimeError("body"), KeyboardInterrupt(), SystemExit(1)])
def test_what_the_body_raises_passes_and_the_old_file_stays(store, raised):
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
    assert caught.value is raised
    assert not spools[0].exists()
    assert store.names() == ["a.bin"]
    assert store.read("a.bin") == OLD


def test_create_refuses_what_exists_before_any_work(store):
    store.put("a.bin", OLD)
    with pytest.raises(TargetExistsError, match="the target exists") as caught:
        Target.resolve(store.url("a.bin"), mode="create", storage_options=store.options)
    assert "a.bin" in str(caught.value)
    assert store.read("a.bin") == OLD


def test_create_refuses_what_came_into_being_meanwhile(store):
    target = Target.resolve(store.url("a.bin"), mode="create", storage_options=store.options)
    store.put("a.bin", OLD)
    with target.spool() as path:
        Path(path).write_bytes(NEW)
        with pytest.raises(TargetExistsError) as caught:
            target.publish(path)
    assert caught.value.__context__ is None
    assert store.read("a.bin") == OLD
    assert store.names() == ["a.bin"]


def test_of_racing_creators_one_wins(store):
    if not store.atomic_create:
        pytest.skip("this store only looks before it writes, as documented")
    for attempt in range(5):
        url, outcomes, start = store.url(f"{attempt}.bin"), [], threading.Barrier(6)
        targets = [Target.resolve(url, mode="create", storage_options=store.options) for _ in range(6)]

        def race(number, target, outcomes=outcomes, start=start):
            with target.spool() as path:
                Path(path).write_bytes(bytes([number]) * 1000)
                start.wait()
                try:
                    target.publish(path)
                    outcomes.append(number)
                except TargetExistsError:
                    outcomes.append(None)

        threads = [threading.Thread(target=race, args=pair) for pair in enumerate(targets)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [number for number in outcomes if number is not None]
        assert len(outcomes) == 6
        assert len(winners) == 1
        assert store.read(f"{attempt}.bin") == bytes(winners) * 1000


def test_a_reader_sees_only_whole_files(store):
    if not store.atomic_overwrite:
        pytest.skip("this store's move is not atomic, as documented")
    old, new = b"o" * 1_000_000, b"n" * 1_500_000
    store.put("a.bin", old)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            content = store.read("a.bin")
            seen.add((content[:1], len(content), len(set(content))))

    reader = threading.Thread(target=read)
    reader.start()
    for content in itertools.islice(itertools.cycle([new, old]), 6):
        publish(store.url("a.bin"), content, options=store.options)
        time.sleep(0.02)
    done.set()
    reader.join()
    assert seen <= {(b"o", 1_000_000, 1), (b"n", 1_500_000, 1)}
    assert len(seen) == 2


def test_folders_are_made(store):
    publish(store.url("2026/11/a.bin"), NEW, options=store.options)
    assert store.read("2026/11/a.bin") == NEW


def test_a_folder_is_no_target(store):
    store.put("folder/a.bin", OLD)
    with pytest.raises(ConfigError, match="the target is a directory"):
        Target.resolve(store.url("folder"), storage_options=store.options)


# Local disk


def test_addresses_of_local_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    given = ["a", f"{tmp_path}/a", f"file://{tmp_path}/a", f"local://{tmp_path}/a", f"file:{tmp_path}/a", "~/a"]
    for url in [*given, Path("a"), tmp_path / "a"]:
        assert publish(url, NEW).url == f"{tmp_path}/a"
    assert listed(tmp_path) == ["a"]
    assert publish(tmp_path / "a::b", NEW).url == f"{tmp_path}/a::b"


def test_permissions_follow_the_umask_or_the_old_file(tmp_path):
    old = os.umask(0o027)
    try:
        publish(tmp_path / "a", NEW)
        (tmp_path / "b").write_bytes(OLD)
        (tmp_path / "b").chmod(0o604)
        publish(tmp_path / "b", NEW)
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o604


def test_the_spool_is_hidden_beside_the_target(tmp_path):
    target = Target.resolve(tmp_path / "a.bin")
    with target.spool() as path:
        assert listed(tmp_path) == [Path(path).name]
        assert Path(path).name.startswith(".a.bin.")
        assert path.endswith(".tmp")


def test_the_longest_name_is_no_problem(tmp_path):
    name = "\u00e9" * 127
    publish(tmp_path / name, NEW)
    assert listed(tmp_path) == [name]


@pytest.mark.parametrize("dangling", [False, True])
def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path, dangling):
    (tmp_path / "data").mkdir()
    if not dangling:
        (tmp_path / "data" / "a").write_bytes(OLD)
    (tmp_path / "link").symlink_to("data/a")
    publish(tmp_path / "link", NEW)
    assert (tmp_path / "link").readlink() == Path("data/a")
    assert (tmp_path / "data" / "a").read_bytes() == NEW


def test_only_what_killed_processes_left_is_swept(tmp_path):
    stale, fresh, other = (tmp_path / f".{n}.{c * 32}.tmp" for n, c in [("a", "0"), ("a", "1"), ("b", "2")])
    for file in (stale, fresh, other):
        file.write_bytes(OLD)
    for file in (stale, other):
        os.utime(file, (1, 1))
    publish(tmp_path / "a", NEW)
    assert listed(tmp_path) == sorted([fresh.name, other.name, "a"])


def test_a_device_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="device, pipe or socket"):
        Target.resolve(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_where_a_folder_must_be(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(WriteError, match="NotADirectoryError") as caught:
        publish(tmp_path / "a" / "b", NEW)
    assert "A part of the path is a file" in str(caught.value)
    assert (tmp_path / "a").read_bytes() == OLD


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "full"), (errno.EACCES, "right"), (errno.EROFS, "right"), (errno.EIO, "lost")]
)
@pytest.mark.parametrize(("call", "mode"), [("fsync", "overwrite"), ("replace", "overwrite"), ("link", "create")])
def test_a_failing_system_call_keeps_the_old_file(tmp_path, monkeypatch, call, mode, number, advice):  # noqa: PLR0917
    if mode == "overwrite":
        (tmp_path / "a").write_bytes(OLD)
    target = Target.resolve(tmp_path / "a", mode=mode)

    def fail(*args):
        raise OSError(number, os.strerror(number))

    with target.spool() as path:
        Path(path).write_bytes(NEW)
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(WriteError) as caught:
            target.publish(path)
    assert advice in caught.value.hint
    assert caught.value.__context__ is None
    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([OLD] if mode == "overwrite" else [])


# Other stores


def test_a_missing_bucket_is_not_made(s3_bucket, s3_options):
    with pytest.raises(WriteError) as caught:
        publish("s3://misspelt/a.bin", NEW, options=s3_options)
    assert "Make the bucket" in caught.value.hint
    assert not fsspec.filesystem("s3", **s3_options).exists("misspelt")


def test_a_large_object_goes_up_in_small_parts_and_create_holds(s3_store):
    content = os.urandom(17 * 2**20)
    publish(s3_store.url("a.bin"), content, mode="create", options=s3_store.options)
    assert s3_store.read("a.bin") == content
    fs, path = fsspec.url_to_fs(s3_store.url("a.bin"), **s3_store.options)
    assert fs.info(path)["ETag"].strip('"').endswith("-3")


class Stubborn(MemoryFileSystem):
    """Refuses, or silently skips, to move onto an existing file; `broken` moves fail altogether."""

    cachable = False
    silent = False
    broken = 0
    store: dict = {}  # noqa: RUF012 (as the base class has it)
    pseudo_dirs = [""]  # noqa: RUF012

    def mv(self, path1, path2, **kwargs):
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
    fsspec.register_implementation("stubborn", Stubborn, clobber=True)
    return Stubborn(), "stubborn:///d/a.bin"


def test_where_a_move_does_not_replace_the_old_file_steps_aside(stubborn):
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


def test_a_short_object_is_noticed(memory_store, monkeypatch):
    put = MemoryFileSystem.put_file

    def short(self, lpath, rpath, **kwargs):
        Path(lpath).write_bytes(NEW[:-1])
        put(self, lpath, rpath, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "put_file", short)
    with pytest.raises(WriteError, match=f"{len(NEW)} bytes were put and {len(NEW) - 1} are there"):
        publish(memory_store.url("a.bin"), NEW)


@pytest.mark.parametrize("raised", [OSError(errno.EIO, "no"), KeyboardInterrupt()])
def test_a_broken_put_leaves_nothing(memory_store, monkeypatch, raised):
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


def test_who_may_put_but_not_look_can_publish(s3_store, monkeypatch):
    import s3fs

    async def denied(self, path, *args, **kwargs):
        raise PermissionError("Forbidden")

    options = s3_store.options | {"skip_instance_cache": True}
    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_info", denied)
        for mode in ("create", "overwrite"):
            publish(s3_store.url("a.bin"), NEW, mode=mode, options=options)
        with pytest.raises(WriteError, match="FileExistsError"):
            publish(s3_store.url("a.bin"), OLD, mode="create", options=options)
    assert s3_store.read("a.bin") == NEW


# What is refused before any work


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no URL or path"),
        (b"a.bin", "no URL or path"),
        (None, "no URL or path"),
        ("a\0b", "no URL or path"),
        ("out/", "names a directory"),
        ("memory://d/", "names a directory"),
        ("s3://bucket", "names a directory"),
        ("http://host/a.parquet", "can only be read"),
        ("https://u:hush@host/a.parquet?sig=hush", "can only be read"),
        ("zip://a.parquet::s3://u:hush@bucket/a.zip", "chained"),
        ("simplecache::memory://a", "chained"),
        ("dir://a", "chained"),
        ("s3://bucket/a?sig=hush", "no query"),
        ("file://host/a", "absolute path"),
        (Path("s3://bucket/a"), "needs ://"),
        ("nope://u:hush@host/a", "not accepted: ValueError: Protocol not known: nope"),
        ("ftp://u:hush/hush@host/a", "not accepted"),
        ("abfs://box@account.dfs.core.windows.net/a", r"(?s)no driver.*\[azure\]"),
        ("abfss://box@account.dfs.core.windows.net/a", r"(?s)no driver.*\[azure\]"),
        ("gs://bucket/a", r"(?s)no driver.*\[gcs\]"),
        ("sftp://ann:hush@host/a", r"(?s)no driver.*\[sftp\]"),
        ("smb://ann:hush@host/share/a", "(?s)no driver.*smbprotocol"),
    ],
)
def test_refused_before_any_work(url, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        Target.resolve(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert listed(tmp_path) == []


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="'append' is unknown"):
        Target.resolve("memory://a", mode="append")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://ann:pw@host:22/a@b", "sftp://host:22/a@b"),
        ("sftp://host:22/a@b", "sftp://host:22/a@b"),
        ("ftp://ann:p/w@host/a", "ftp://host/a"),
        ("ftp://ann:p@w@host/a", "ftp://host/a"),
        ("abfs://box@account.dfs/a", "abfs://box@account.dfs/a"),
        ("abfs://box:pw@account.dfs/a", "abfs://account.dfs/a"),
        ("s3://bucket/a b#1@x?versionId=1", "s3://bucket/a b#1@x"),
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
    options = {"secret": CANARY, "client_kwargs": {"more": [listed]}, "token": raw.encode(), "port": 80}
    with pytest.raises((WriteError, ConfigError)) as caught:
        publish(url, NEW, options=options)
    told = everything_said(caught.value)
    assert "ValueError: bad *** " in told
    for secret in ("c4n4ry", *OTHERS):
        assert secret not in told.lower()


def test_a_secret_too_short_to_mask_silences_the_driver(monkeypatch):
    def fail(self, *args, **kwargs):
        raise OSError("a b c")

    monkeypatch.setattr(MemoryFileSystem, "info", fail)
    with pytest.raises(WriteError) as caught:
        Target.resolve("memory://x", storage_options={"skip_instance_cache": True, "pin": "b"})
    assert caught.value.what == "cannot look up the target: OSError"


def test_a_refused_login_tells_no_key(s3_store, monkeypatch):
    import s3fs

    async def denied(self, *args, **kwargs):
        raise PermissionError("The key canary-key with canary-s3cret is not in our records")

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", denied)
    with pytest.raises(WriteError) as caught:
        publish(s3_store.url("a.bin"), NEW, options=s3_store.options | {"skip_instance_cache": True})
    assert "The key *** with *** is not" in str(caught.value)
    assert "Ask for the right to write" in caught.value.hint
    assert "canary" not in everything_said(caught.value)


def test_the_target_itself_tells_no_secret(s3_store):
    target = Target.resolve(s3_store.url("a.bin"), storage_options=s3_store.options)
    assert "canary" not in repr(target) + str(vars(target))
