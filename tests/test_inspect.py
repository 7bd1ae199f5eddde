"""What a file says of itself, and whether it is held to it."""

from __future__ import annotations

import datetime as dt
import random
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faults.rawserver import answer, envelope
from memory import memory_added
from platforms import needs_proc_status
from served import served

from explorer_frames import (
    Explorer,
    Provenance,
    TableReceipt,
    read_provenance,
    show,
    verify_file,
    write_feather,
    write_parquet,
)
from explorer_frames._files import seal
from explorer_frames._files.seal import SEAL
from explorer_frames._provenance import KEY, encoded, provenance_of
from explorer_frames.errors import (
    ConfigError,
    DamagedFileError,
    FileReadError,
    IncompleteResultError,
    TruncatedResultWarning,
    WriteError,
)
from explorer_frames.sandbox import Graph

pytest_plugins = ["storage"]

WRITERS = {"parquet": write_parquet, "feather": write_feather}
NAMES = {"parquet": "a.parquet", "feather": "a.feather"}


@pytest.fixture(params=["parquet", "feather"])
def layout(request):
    return request.param


def rows(count=3000):
    ids = [f"player{number}" for number in range(count)]
    scores = np.random.default_rng(7).random(count)
    return pa.table({"id": ids, "score": scores, "community": [name[:7] for name in ids]})


# What it says


def test_an_export_says_where_it_came_from(sandbox, store, layout):
    workflow = sandbox.add_workflow("inspected", Graph.les_miserables(), {"analytics_louvain_1": ("Louvain", {})})
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=2)
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        job = explorer.run_workflow(workflow).wait(progress=False)
        url = store.url(NAMES[layout])
        receipt = job.tasks[0].export(url, storage_options=store.options)
    told = read_provenance(url, storage_options=store.options)
    assert told == verify_file(url, storage_options=store.options)
    assert (told.server, told.workflow_id, told.job_id, told.task_id) == (
        sandbox.url,
        str(workflow),
        job.job_id,
        job.tasks[0].task_id,
    )
    assert (told.task_name, told.algorithm, told.status) == ("Louvain", "Louvain", "success")
    assert (told.limit, told.rows, told.complete) == (None, 77, True)
    assert (told.begin_time, told.end_time) == (job.tasks[0].begin_time, job.tasks[0].end_time)
    assert before <= told.begin_time <= told.end_time
    assert before <= told.read_at <= dt.datetime.now(dt.UTC)
    assert told.content_hash == receipt.content_hash
    assert told.library.startswith("explorer_frames ")
    assert "canary" not in repr(told) + str(told) + told._repr_html_()


def test_a_plain_export_looks_at_its_job_once(sandbox):
    workflow = sandbox.add_workflow("looked", Graph.les_miserables(), {"analytics_pagerank_1": ("PageRank", {})})
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        job = explorer.run_workflow(workflow).wait(progress=False)
    with Explorer(sandbox.url, token=sandbox.token) as explorer:  # which has not seen the job
        before = len(sandbox.requests)
        explorer.export_sample_result(job.job_id, job.tasks[0].task_id, "memory://looked-a.parquet")
        explorer.export_sample_result(job.job_id, job.tasks[0].task_id, "memory://looked-a.parquet")
        asked = [request.path.partition("?")[0].rsplit("/", 1)[1] for request in sandbox.requests[before:]]
        assert asked == [job.job_id, "sample_result", "sample_result"]
        before = len(sandbox.requests)
        job.tasks[0].export("memory://looked-b.parquet")
        assert len(sandbox.requests) == before + 1
    one, other = (read_provenance(f"memory://looked-{name}.parquet") for name in "ab")
    assert one.content_hash == other.content_hash
    assert (one.workflow_id, one.status, one.end_time) == (other.workflow_id, "success", other.end_time)
    assert (one.algorithm, other.algorithm) == ("PageRank", "PageRank")


def test_frame_keeps_its_provenance(sandbox, explorer, layout, tmp_path):
    job, task = sandbox.add_result([["a", "b"], ["0.5", "0.25"]])
    frame = explorer.read_sample_result(job, task, limit=10)
    receipt = WRITERS[layout](frame, tmp_path / "a")
    assert frame.attrs["explorer_frames"]["content_hash"] == receipt.content_hash
    told = read_provenance(tmp_path / "a")
    assert (told.job_id, told.rows, told.limit, told.complete) == (str(job), 2, 10, True)
    assert told.content_hash == receipt.content_hash
    WRITERS[layout](frame.head(1), tmp_path / "a")
    told = read_provenance(tmp_path / "a")
    assert (told.job_id, told.rows, told.complete) == (str(job), 1, None)


def test_slice_of_a_table_is_not_complete(sandbox, explorer, layout, tmp_path):
    job, task = sandbox.add_result([["a", "b"], ["0.5", "0.25"]])
    table = explorer.read_sample_result_arrow(job, task, limit=10)
    assert WRITERS[layout](table, tmp_path / "a").complete is True
    assert WRITERS[layout](table.slice(1), tmp_path / "a").complete is None


def test_result_of_a_running_task_is_not_complete(layout, tmp_path):
    """Whether a server gives anything then is not published: one that does."""
    job = b'{"code":0,"data":{"id":1,"tasks":[{"id":"t","status":1,"name":"WCC"}],"workflowId":7}}'

    def script(number, request):
        return answer(envelope('[["a","0.5"]]') if b"sample_result" in request else job)

    with served(script) as (_, explorer):
        with pytest.raises(IncompleteResultError, match="status is running") as caught:
            explorer.export_sample_result(1, "t", tmp_path / NAMES[layout])
        assert "Wait until the job has ended" in caught.value.hint
        assert list(tmp_path.iterdir()) == []
        receipt = explorer.export_sample_result(1, "t", tmp_path / NAMES[layout], allow_incomplete=True)
        told = read_provenance(tmp_path / NAMES[layout])
        assert (receipt.complete, told.complete, told.status, told.workflow_id) == (False, False, "running", "7")
        with pytest.warns(TruncatedResultWarning, match="status is running"):
            frame = explorer.read_sample_result(1, "t", schema="auto")
        assert frame.attrs["explorer_frames"]["complete"] is False


def test_both_formats_and_all_layouts_have_one_content_hash(tmp_path):
    table = rows()
    hashes = {
        write(table, tmp_path / "a", row_group_size=size, compression=codec).content_hash
        for write in WRITERS.values()
        for size in (100, 1000, 10_000)
        for codec in ("zstd", None)
    }
    assert len(hashes) == 1
    hashes |= {write_parquet(table.slice(0, count), tmp_path / "a").content_hash for count in (0, 2999)}
    assert len(hashes) == 3


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.date64(), pa.list_(pa.string()), pa.string_view()])
def test_types_that_a_format_keeps_otherwise_verify(layout, tmp_path, kind):
    table = pa.table({"x": pa.array([None, None], pa.int64()).cast(pa.int64())}).append_column("y", pa.nulls(2, kind))
    WRITERS[layout](table, tmp_path / "a")
    assert verify_file(tmp_path / "a").rows == 2


def test_a_type_that_is_not_hashed_still_has_its_seal(layout, tmp_path):
    table = pa.table({"x": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))})
    assert WRITERS[layout](table, tmp_path / "a").content_hash is None
    assert verify_file(tmp_path / "a").rows == 1


def test_rewriting_in_another_format_leaves_no_old_seal(tmp_path):
    write_feather(rows(), tmp_path / "a.feather")
    table = pa.ipc.open_file(tmp_path / "a.feather").read_all()
    assert SEAL in table.schema.metadata
    receipt = write_parquet(table, tmp_path / "a.parquet")
    assert SEAL not in receipt.schema.metadata
    assert SEAL not in pq.read_schema(tmp_path / "a.parquet").metadata
    assert verify_file(tmp_path / "a.parquet").content_hash == verify_file(tmp_path / "a.feather").content_hash


def test_provenance_has_readable_text():
    told = provenance_of(
        {"server": "http://h", "job_id": "1", "task_name": "<b>\x1b[31m", "rows": 5, "complete": False}
    )
    assert str(told).splitlines() == [
        "server     http://h",
        "job_id     1",
        r"task_name  <b>\x1b[31m",
        "rows       5",
        "complete   no",
    ]
    assert "<b>" not in told._repr_html_()
    assert "http://h" in str(told)


@pytest.mark.parametrize(
    "document",
    [
        {"rows": "5"},
        {"read_at": "0001-01-01T00:00:00+10:00"},
        {"rows": True},
        {"complete": "yes"},
        {"job_id": 7},
        {"read_at": "soon"},
        {"end_time": "2026-01-01"},
        {"more": 1},
    ],
)
def test_value_of_another_kind_is_not_recognized(document):
    known = provenance_of(document).to_dict()
    assert {name: value for name, value in known.items() if value is not None} == {}


# Whether it holds


@pytest.mark.parametrize("flips", [200, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("codec", ["zstd", None])
def test_any_altered_byte_is_found(layout, tmp_path, codec, flips):
    path = tmp_path / "a"
    WRITERS[layout](rows(), path, compression=codec)
    content = path.read_bytes()
    rng = random.Random(20261125)
    missed = []
    for _ in range(flips):
        place, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        damaged = bytearray(content)
        damaged[place] ^= bit
        path.write_bytes(damaged)
        try:
            verify_file(path)
        except FileReadError:
            continue
        missed.append((place, bit))
    assert missed == []


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_each_byte_of_the_metadata_counts(layout, tmp_path, step):
    path = tmp_path / "a"
    WRITERS[layout](rows(3), path)
    content = path.read_bytes()
    for place in range(0, len(content), step):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(FileReadError):
            verify_file(path)


def test_truncated_or_extended_file_is_detected(layout, tmp_path):
    path = tmp_path / "a"
    WRITERS[layout](rows(3), path)
    content = path.read_bytes()
    for other in [*(content[:count] for count in range(0, len(content), 7)), content + b"\0", content + content]:
        path.write_bytes(other)
        with pytest.raises(FileReadError):
            verify_file(path)


@pytest.mark.parametrize("suffix", ["", "named"])
def test_a_file_that_cannot_be_parsed_any_more_is_damaged(layout, suffix, tmp_path):
    path = tmp_path / (f"a.{layout}" if suffix else "a")
    WRITERS[layout](rows(3), path)
    content = path.read_bytes()
    others = [content[:-1], content[:-50], content[: len(content) // 2], content[:8]]
    for other in [*others, *([b"", b"x", b"\0" + content[1:]] if suffix else [])]:
        path.write_bytes(other)
        with pytest.raises(DamagedFileError):
            verify_file(path)


def test_another_value_in_a_file_that_was_sealed_again_is_found(layout, tmp_path):
    """A writer that lies: what the content hash is for."""
    path = tmp_path / "a"
    WRITERS[layout](rows(), path, compression=None)
    content = path.read_bytes().replace(b"player77player78", b"player78player77")
    content = content.replace(b"player77\x08\0\0\0player78", b"player78\x08\0\0\0player77")
    assert content != path.read_bytes()
    path.write_bytes(content)
    _seal_again(path)
    with pytest.raises(FileReadError, match="CRC" if layout == "parquet" else "content hash mismatch"):
        verify_file(path)


def _seal_again(path):
    from explorer_frames._files import seal as _seal

    with path.open("r+b") as file:
        places = _seal._places(file)
        _seal._fill(file, places, _seal._hash(file, places))
        assert _seal.is_intact(file) is True


def test_file_rewritten_by_another_program_is_reported(layout, tmp_path):
    path = tmp_path / "a"
    WRITERS[layout](rows(), path)
    if layout == "parquet":
        pq.write_table(pq.read_table(path), path)
        said = "missing checksum"
    else:
        table = pa.ipc.open_file(path).read_all().slice(1)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        said = "checksum mismatch"
    with pytest.raises(DamagedFileError, match=said):
        verify_file(path)
    assert read_provenance(path).rows == 3000  # what it says of itself is still there


def test_value_that_resembles_a_seal_is_ignored(layout, tmp_path):
    """Statistics and metadata hold values and words of others, right beside the seal."""
    digits = "0" * 64
    ids = [f"explorer_frames.seal\x18\x40{digits}", f"\x40\0\0\0{digits}\0\0\0\0\x14\0\0\0explorer_frames.seal\0"]
    table = pa.table({"id": ids}).replace_schema_metadata({"about": "explorer_frames.seal", "zero": digits})
    path = tmp_path / "a"
    WRITERS[layout](table, path)
    assert verify_file(path).rows == 2
    assert WRITERS[layout](table, path).schema.metadata[b"zero"] == digits.encode()


@pytest.mark.parametrize("found", ["nowhere", "once"])
def test_a_seal_that_cannot_be_placed_is_left_out(layout, found, tmp_path, monkeypatch, caplog):
    """As with a pyarrow that frames metadata in another way."""
    if found == "nowhere":
        monkeypatch.setattr(seal, "_DIGITS", dict.fromkeys(seal._DIGITS, re.compile(b"(?!)")))
    else:
        places = seal._places
        monkeypatch.setattr(seal, "_places", lambda file: dict([*places(file).items()][1:]))
    caplog.set_level("DEBUG", "explorer_frames")
    receipt = WRITERS[layout](rows(), tmp_path / "a")
    assert "no checksum" in caplog.text
    assert receipt.rows == len(rows())
    monkeypatch.undo()
    assert verify_file(tmp_path / "a").rows == receipt.rows


def test_metadata_that_looks_like_a_seal_is_refused_or_kept(layout, tmp_path):
    """It is never taken for the seal, and never altered."""
    digits = "0" * 64
    value = f"\x40\0\0\0{digits}\0\0\0\0\x14\0\0\0explorer_frames.seal\0"
    table = pa.table({"id": ["a"]}).replace_schema_metadata({"about": value, "explorer_frames.seal": digits})
    if layout == "parquet":
        WRITERS[layout](table, tmp_path / "a")
        assert verify_file(tmp_path / "a").rows == 1
        assert pq.read_schema(tmp_path / "a").metadata[b"about"] == value.encode()
    else:
        with pytest.raises(WriteError, match="reserved checksum marker"):
            WRITERS[layout](table, tmp_path / "a")
        assert list(tmp_path.iterdir()) == []


def test_replacement_during_verification_is_not_damage(tmp_path, monkeypatch):
    from explorer_frames._files import inspection

    write_parquet(rows(3), tmp_path / "a")
    contents = inspection._contents

    def overtaken(file):
        write_parquet(rows(1), tmp_path / "a")
        return contents(file)

    monkeypatch.setattr(inspection, "_contents", overtaken)
    assert verify_file(tmp_path / "a").rows == 3
    assert read_provenance(tmp_path / "a").rows == 1


def test_failed_copy_is_reported(memory_store, monkeypatch, tmp_path):
    write_parquet(rows(3), memory_store.url("a.parquet"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(FileReadError, match="temporary folder"):
        verify_file(memory_store.url("a.parquet"))


# What cannot be read


@pytest.mark.parametrize("look", [read_provenance, verify_file])
def test_files_that_are_not_ours(look, tmp_path):
    (tmp_path / "text").write_text("id,score\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "pandas")
    pd.DataFrame({"a": [1]}).to_feather(tmp_path / "arrow")
    for name, said in [
        ("text", "not a Parquet or Feather"),
        ("empty", "not a Parquet or Feather"),
        ("folder", "path is a folder"),
        ("pandas", "no provenance record"),
        ("arrow", "no provenance record"),
        ("missing", "file not found"),
    ]:
        with pytest.raises(FileReadError, match=said) as caught:
            look(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.hint
        assert caught.value.__context__ is None


@pytest.mark.parametrize("look", [read_provenance, verify_file])
def test_missing_files(look, store):
    with pytest.raises(FileReadError, match="file not found") as caught:
        look(store.url("missing.parquet"), storage_options=store.options)
    assert "canary" not in str(caught.value) + repr(vars(caught.value))


@pytest.mark.parametrize("look", [read_provenance, verify_file])
@pytest.mark.parametrize("url", ["", 5, "memory://folder/", "s3://bucket", "simplecache::memory://a", "nope://a/b"])
def test_invalid_file_url_is_rejected(look, url):
    with pytest.raises(ConfigError):
        look(url)


def test_a_file_can_be_looked_at_over_http(sandbox, tmp_path, monkeypatch):
    """Over a store that can only be read."""
    import http.server
    import threading

    write_parquet(rows(), tmp_path / "a.parquet")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args):
            pass

    pytest.importorskip("aiohttp", reason="fsspec's driver for http:// needs it")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/a.parquet"
        assert verify_file(url) == read_provenance(tmp_path / "a.parquet")
        server.shutdown()


VERIFY = """
import sys
import explorer_frames

getattr(explorer_frames, "write_" + sys.argv[1])(players(2_000_000), sys.argv[2])
before = peak()
assert explorer_frames.verify_file(sys.argv[2]).rows == 2_000_000
print(peak() - before)
"""


@pytest.mark.slow
@needs_proc_status
def test_verification_needs_no_more_memory_than_writing(tmp_path, layout):
    assert memory_added(VERIFY, layout, tmp_path / "a") < 60


def as_table(frame):
    return pa.table(dict(frame)).replace_schema_metadata({KEY: encoded(frame.attrs["explorer_frames"])})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame, "PageRank, job 1, 2 rows, complete"),
        (as_table, "PageRank, job 1, 2 rows, complete"),
        (lambda frame: frame.head(1), "PageRank, job 1, 1 row, changed after reading"),
        (lambda frame: pd.DataFrame(frame.to_dict("list")), "unknown origin"),
    ],
)
def test_show_puts_a_caption_above_the_rows(change, said):
    frame = pd.DataFrame({"id": ["a", "<b>"], "score": [0.5, 0.25]})
    known = Provenance(task_name="PageRank", job_id="1", rows=2, complete=True, derived=False)
    frame.attrs["explorer_frames"] = known.to_dict()
    shown = show(change(frame))
    assert repr(shown).splitlines()[0] == said
    assert repr(shown).splitlines()[1].split() == ["id", "score"]
    assert shown._repr_html_().startswith(f"<div><strong>{said}</strong></div>")
    assert "<table" in shown._repr_html_()
    with pd.option_context("display.notebook_repr_html", False):
        assert shown._repr_html_() is None
    assert repr(show(as_table(frame).to_batches()[0])) == repr(show(as_table(frame)))
    assert show(known) is known
    assert show(show(frame))._repr_html_() == show(frame)._repr_html_()
    assert repr(show(as_table(frame).schema)).startswith("PageRank, job 1, 2 rows, complete\nid: ")
    with pytest.raises(ConfigError, match="cannot read provenance from int"):
        show(1)


def test_receipts_of_tables_are_readable():
    receipt = TableReceipt("s3://lake/scores", 3, 1234, pa.schema([("id", pa.string())]), complete=True)
    assert repr(receipt) == "<TableReceipt s3://lake/scores: version 3, 1,234 rows added, complete>"
    assert "id: string" in receipt._repr_html_()
    assert "1,234" in receipt._repr_html_()
