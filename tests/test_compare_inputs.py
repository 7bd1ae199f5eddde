"""What can be compared: every kind of data, from everywhere, and what is refused and why."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from cases import each

from explorer_frames import Explorer, compare, open_output, read_output, write_feather, write_parquet
from explorer_frames.errors import (
    ConfigError,
    DamagedFileError,
    FileReadError,
    IncompleteResultError,
    TruncatedResultWarning,
)
from explorer_frames.sandbox import Graph, Sandbox

pytest_plugins = ["storage"]

A = pa.table(
    {"id": ["NA", "007", "雪", "x"], "score": [1.0, float("nan"), 0.5, 2.0], "community": ["NA", "NA", "x", "x"]}
)
B = pa.table(
    {"id": ["x", "雪", "new", "007"], "score": [2.0, 0.25, 0.0, float("nan")], "community": ["p", "p", "q", "q"]}
)
INTEGERS = [
    pa.table({"id": [7, -1, 2**53 + 1], "core": [3, 2, 1]}),
    pa.table({"id": [2**53 + 1, 7, 2**53], "core": [1, 4, 1]}),
]
KINDS = {
    "table": lambda table: table,
    "reader": lambda table: table.to_reader(),
    "batch": lambda table: table.combine_chunks().to_batches()[0],
    "pandas": lambda table: table.to_pandas(),
    "numpy_nullable": lambda table: table.to_pandas().convert_dtypes(),
    "pyarrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "object": lambda table: table.to_pandas().astype({"id": object}),
    "category": lambda table: table.to_pandas().astype({"id": "category"}),
    "dictionary": lambda table: table.set_column(0, "id", table["id"].dictionary_encode()),
    "large": lambda table: table.cast(pa.schema([(f.name, pa.large_string() if f.type == pa.string() else f.type) for f in table.schema])),
    "index": lambda table: table.to_pandas().set_index("id"),
    "filtered": lambda table: table.to_pandas().iloc[::-1].iloc[::-1].set_axis([5, 3, 9, 7][: len(table)]),
    "chunks": lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1)]),
    "other order": lambda table: table.select(table.column_names[::-1]),
    "polars": pl.from_arrow,
    "duckdb": duckdb.from_arrow,
    "parquet": None,
    "feather": None,
}  # fmt: skip


@pytest.fixture
def kind(request, tmp_path):
    """How to make a table something else; files are of other writers than ours."""

    def written(table):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.{request.param}"
        (pq.write_table if request.param == "parquet" else pf.write_feather)(table, path)
        return path

    return KINDS[request.param] or written


def seen(found):
    frames = ("appeared", "vanished", "changed", "moved", "labels")
    return found.to_dict(), [getattr(found, name)["id" if name != "labels" else "label_a"].tolist() for name in frames]


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize(
    ("a", "b"), [pytest.param(A, B, id="text"), pytest.param(*INTEGERS, id="integers", marks=pytest.mark.slow)]
)
def test_every_kind_of_data_compares_with_every_other(kind, a, b):
    expected = seen(compare(a, b))
    for given in ((kind(a), kind(b)), (kind(a), b), (a, kind(b))):
        assert seen(compare(*given)) == expected


def test_comparison_inputs_contain_differences():
    found = compare(A, B)
    assert (found.appeared["id"].tolist(), found.vanished["id"].tolist()) == (["new"], ["NA"])
    assert found.changed["id"].tolist() == ["雪"]
    assert len(found.labels) == 2
    found = compare(*INTEGERS)
    assert (found.appeared["id"].tolist(), found.vanished["id"].tolist()) == ([2**53], [-1])
    assert found.changed[["id", "core_delta"]].to_numpy().tolist() == [[7, 1]]


def test_empty_frames_compare_with_any_dtypes():
    empty = pd.DataFrame({"id": [], "score": []})
    assert compare(empty, empty.astype({"id": object})).same
    full = pd.DataFrame({"id": ["x"], "score": [1.0]})
    assert compare(empty.astype({"id": object}), full).appeared.to_dict("records") == [{"id": "x", "score": 1.0}]
    assert compare(pd.DataFrame(), pd.DataFrame()).same


# --- files


@pytest.mark.parametrize("write", [write_parquet, write_feather])
def test_files_of_ours_in_any_store(store, write):
    urls = [store.url(f"{name}.file") for name in "ab"]
    for table, url in zip((A, B), urls, strict=True):
        write(table, url, storage_options=store.options)
    assert seen(compare(*urls, storage_options=store.options)) == seen(compare(A, B))
    assert seen(compare(A, urls[1], storage_options=store.options)) == seen(compare(A, B))


@pytest.mark.parametrize("write", [write_parquet, write_feather])
def test_a_damaged_file_is_refused_before_it_is_parsed(tmp_path, write):
    path = tmp_path / "a.file"
    write(pa.table({"id": [f"v{n}" for n in range(500)], "score": np.arange(500.0)}), path)
    content = bytearray(path.read_bytes())
    for place in (len(content) // 3, len(content) // 2):
        damaged = content.copy()
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match="checksum mismatch") as caught:
            compare(path, path)
        assert caught.value.where == f"a, {path}"


def test_compare_rejects_files_that_are_not_parquet_or_feather(tmp_path):
    (tmp_path / "a.parquet").write_text("id,score\n")
    for name, said in (
        ("a.parquet", "not a Parquet or Feather"),
        ("none", "file not found"),
        (".", "is a folder"),
    ):
        with pytest.raises(FileReadError, match=said):
            compare(A, tmp_path / name)
    with pytest.raises(ConfigError):
        compare(A, "unknown://x/y")


# --- jobs and tasks


@pytest.fixture(scope="module")
def runs():
    """Two jobs of one workflow, and one of another on the same graph."""
    tasks = {
        "analytics_pagerank_1": ("PageRank", {}),
        "analytics_louvain_1": ("Louvain", {"is_output_modularity": "true"}),
    }
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer:
        workflow = server.add_workflow("compared", Graph.les_miserables(), tasks)
        other = server.add_workflow("other", Graph.les_miserables(), tasks)
        first, second, third = (explorer.run_workflow(one).wait(progress=False) for one in (workflow, workflow, other))
        yield explorer, first, second, third


def test_two_runs_of_one_workflow(runs):
    _, first, second, _ = runs
    found = compare(first, second, task="Louvain")
    assert found.same
    assert (found.a.job_id, found.b.job_id, found.a.task_name, found.rows_a) == (
        first.job_id,
        second.job_id,
        "Louvain",
        77,
    )
    assert f"a: job {first.job_id}, Louvain, ended " in str(found)
    by_id = compare(first, second.tasks[0], task=first.tasks[0].task_id)
    assert by_id.same
    assert by_id.top_overlap == 1
    assert by_id.a.task_name == "PageRank"


def test_file_can_be_compared_with_a_new_run(runs, tmp_path):
    _, first, second, _ = runs
    path = tmp_path / "louvain.parquet"
    first.tasks[1].export(path)
    assert compare(path, second, task="Louvain").same
    frame = second.tasks[1].read(dtype_backend="numpy_nullable")
    frame.loc[frame["id"] == "Valjean", "community"] = frame.loc[frame["id"] == "Napoleon", "community"].iloc[0]
    found = compare(path, frame)
    assert found.moved["id"].tolist() == ["Valjean"]


def test_all_tasks_of_the_karate_club_compare(sandbox, explorer):
    first, second = (explorer.run_workflow(sandbox.workflows["karate"]).wait(progress=False) for _ in range(2))
    assert len(first.tasks) == 26
    for one, other in zip(first.tasks, second.tasks, strict=True):
        if one.name == "Query":  # no column of it is known to be the id of a row
            with pytest.raises(ConfigError, match=r"78 rows without an id column.*'column_1', 'column_2'"):
                compare(one, other)
            ends = {"column_1": "id1", "column_2": "id2"}
            one, other = (task.read().rename(columns=ends) for task in (one, other))  # noqa: PLW2901
        found = compare(one, other, vid_type="int64")
        assert found.same
        assert found.to_dict()["common"] == found.rows_a > 0
        assert str(found).startswith("no change")


def test_a_job_of_one_task_needs_no_name(sandbox, explorer):
    workflow = sandbox.add_workflow("single", Graph.karate(), {"analytics_kcore_1": ("KCore", {})})
    job = explorer.run_workflow(workflow).wait(progress=False)
    assert compare(job, job).same


def test_ambiguous_task_error_lists_all_tasks(runs, sandbox, explorer):
    _, first, second, _ = runs
    with pytest.raises(
        ConfigError,
        match=rf"job {first.job_id} has 2 tasks \[a\]\nPass task=.*'PageRank' \(.*'Louvain' \(",
    ):
        compare(first, second)
    with pytest.raises(ConfigError, match=rf"job {first.job_id} has no task named 'WCC'.*\n.*'PageRank'"):
        compare(first, second, task="WCC")
    with pytest.raises(ConfigError, match=r"requires a Job.*\nRemove task="):
        compare(A, first.tasks[0], task="PageRank")
    job, _ = sandbox.add_result([["x"], ["x"]], "Louvain")
    sandbox.add_result([["x"], ["y"]], "Louvain", job_id=job)
    with pytest.raises(ConfigError, match="has 2 tasks named 'Louvain'"):
        compare(explorer.job(job), explorer.job(job), task="Louvain")


# --- what is refused


def test_possibly_incomplete_result_is_rejected(runs, tmp_path):
    explorer, first, second, _ = runs
    pagerank = first.tasks[0]
    with pytest.warns(TruncatedResultWarning):
        cut = pagerank.read(50)
    whole = pagerank.read()
    with pytest.raises(IncompleteResultError, match=r"exactly the requested 50 rows.*\[b\]\n.*limit=None"):
        compare(whole, cut)
    assert len(compare(whole, cut, allow_incomplete=True).vanished) == 27
    table = explorer.read_sample_result_arrow(first.job_id, pagerank.task_id, None, schema="auto")
    assert pagerank.read_arrow().equals(table)
    for part in (whole.head(50), table.slice(0, 50)):
        with pytest.raises(IncompleteResultError, match=r"50 of 77 rows remain.*\[a\]\n"):
            compare(part, second.tasks[0])
    with pytest.raises(IncompleteResultError, match="rows were added"):
        compare(whole, pa.concat_tables([table, table.slice(0, 1)]))
    write_parquet(cut, tmp_path / "cut.parquet")
    write_parquet(whole.head(50), tmp_path / "head.parquet")
    for name, said in (("cut", "exactly the requested 50 rows"), ("head", "completeness is unknown")):
        with pytest.raises(IncompleteResultError, match=said):
            compare(whole, tmp_path / f"{name}.parquet")
    with explorer.open_sample_result(first.job_id, pagerank.task_id, None, schema="auto") as reader:
        part = reader.read_all().slice(0, 50)
    with pytest.raises(IncompleteResultError, match="completeness is unknown"):
        compare(part, whole)
    with pytest.raises(IncompleteResultError):
        compare(A.replace_schema_metadata({"explorer_frames": '{"complete": false}'}), B)
    whole.attrs.clear()
    assert len(compare(whole.head(50), whole).appeared) == 27  # the caller's own


def test_a_stream_that_is_read_to_its_end_is_known_to_be_whole(runs):
    explorer, first, _, _ = runs
    pagerank = first.tasks[0]
    whole = pagerank.read()
    for limit in (None, 78):
        with explorer.open_sample_result(first.job_id, pagerank.task_id, limit, schema="auto") as reader:
            found = compare(reader, whole)
        assert found.same
        assert (found.a.rows, found.a.complete) == (77, True)
    with (
        explorer.open_sample_result(first.job_id, pagerank.task_id, 77, schema="auto") as reader,
        pytest.warns(TruncatedResultWarning),
        pytest.raises(IncompleteResultError, match=r"exactly the requested 77 rows.*\[a\]\n.*limit=None"),
    ):
        compare(reader, whole)


def test_compare_rejects_results_of_running_tasks(runs):
    frame = runs[1].tasks[0].read()
    before = frame.copy()
    before.attrs["explorer_frames"] |= {"status": "running", "complete": False}
    with pytest.raises(IncompleteResultError, match=r"status running.*\[b\]"):
        compare(frame, before)


def test_results_of_other_workflows_or_algorithms_are_refused_unless_insisted(runs, tmp_path):
    _, first, _, other = runs
    workflows = rf"workflows of the two results differ: '{first.workflow_id}' and '{other.workflow_id}'\nPass allow_unrelated=True"
    for job in (first, other):
        job.tasks[0].export(tmp_path / f"{job.job_id}.parquet")
    files = [tmp_path / f"{job.job_id}.parquet" for job in (first, other)]
    for given in ((first.tasks[0], other.tasks[0]), files, (first.tasks[0].read(), files[1])):
        with pytest.raises(ConfigError, match=workflows):
            compare(*given)
        assert compare(*given, allow_unrelated=True).same
    with pytest.raises(ConfigError, match=r"algorithms .*'PageRank' and 'Louvain'\n.*allow_unrelated=True"):
        compare(first.tasks[0], first.tasks[1])


def of_workflow(server, workflow):
    document = json.dumps({"server": server, "workflow_id": workflow, "rows": 4, "complete": True})
    return A.replace_schema_metadata({"explorer_frames": document})


def test_workflow_ids_are_specific_to_a_server():
    staging, production = "https://staging:7002", "https://production:7002"
    assert compare(of_workflow(staging, "1"), of_workflow(production, "2")).same
    with pytest.raises(ConfigError, match=r"workflows .*'1' and '2'"):
        compare(of_workflow(staging, "1"), of_workflow(staging, "2"))


NAN = float("nan")
REFUSED = {
    "columns": ({"id": ["x"], "score": [1.0]}, {"id": ["x"], "degree": [1]}, r"only a has 'score'; only b has 'degree'\n.*schema="),
    "vid_type": ({"id": ["7"], "score": [1.0]}, {"id": [7], "score": [1.0]}, r"id has type (large_)?string in a and int64 in b\n.*vid_type="),
    "labels": ({"id": ["7"], "community": ["7"]}, {"id": ["7"], "community": [7]}, "community has type (large_)?string in a and int64 in b\n.*vid_type="),
    "values": ({"id": ["x"], "score": [1.0]}, {"id": ["x"], "score": ["1"]}, r"score has type double in a and (large_)?string in b\nConvert "),
    "twice": ({"id": ["x"], "score": [1.0]}, {"id": ["y", "x", "y"], "score": [1.0] * 3}, r"id 'y' occurs 2 times.* \[b\]\nKeep one row"),
    "pairs twice": ({"id1": ["x"] * 2, "id2": ["y"] * 2, "score": [1.0] * 2}, {"id1": ["x"], "id2": ["y"], "score": [1.0]}, r"id1 'x', id2 'y' occurs 2 times.*\[a\]"),
    "missing id": ({"id": ["x", None], "score": [1.0, 2.0]}, {"id": ["x"], "score": [1.0]}, r"column id .* 1 row \[a\]\nDrop these rows"),
    "missing label": ({"id": ["x"], "community": ["x"]}, {"id": ["x", "y"], "community": ["x", None]}, r"column community .* 1 row \[b\]\nFill "),
    "decimal ids": ({"id": [1.0, 2.0], "score": [1.0] * 2}, {"id": [1.0, NAN], "score": [1.0] * 2}, "column id has type double.*\nIds and labels must be strings"),
    "embeddings": ({"id": ["x"], "embedding": [[0.1, 0.2]]}, {"id": ["x"], "embedding": [[0.2, 0.1]]}, "embedding has type .*list.*cannot be compared.*\nDrop the column."),
    "gaps": ({"id": [1, 2], "score": [1.0] * 2}, {"id": [1.0, NAN], "score": [1.0] * 2}, r"id has type int64 in a and double in b\nDrop rows"),
    "no ids": ({"vid": ["x", "y"], "score": [1.0] * 2}, {"vid": ["x"], "score": [1.0]}, "2 rows without an id column.*'vid', 'score'.*\n.*`id`"),
    "names": ({"id": ["x"], "rank": [1], "rank_b": [2]}, {"id": ["x"], "rank": [1], "rank_b": [2]}, "column name 'rank_a' is reserved for the comparison\nRename the column"),
}  # fmt: skip


@each(("a", "b", "said"), REFUSED.values(), ids=REFUSED)
@each("kind", [pd.DataFrame, pa.table])
def test_incomparable_results_are_rejected_with_a_hint(kind, a, b, said):
    with pytest.raises(ConfigError, match=said):
        compare(kind(a), kind(b))


@pytest.mark.parametrize("encoded", [False, True])
def test_unknown_time_zones_are_refused(tmp_path, encoded):
    column = pa.array([1, 2], pa.timestamp("us", "Mars/Base"))
    table = pa.table({"id": ["a", "b"], "time": column.dictionary_encode() if encoded else column})
    write_parquet(table, tmp_path / "a.parquet")
    for data in (table, tmp_path / "a.parquet"):
        with pytest.raises(ConfigError, match="column 'time' has an unknown time zone: 'Mars/Base'"):
            compare(data, table)


def test_ids_beyond_int64_are_refused():
    huge = pa.table({"id": pa.array([2**64 - 1], pa.uint64()), "core": [1]})
    with pytest.raises(ConfigError, match=r"cannot convert id to int64.*\[b\]\n"):
        compare(pa.table({"id": [1], "core": [1]}), huge)


@pytest.mark.parametrize("data", [None, 7, {"id": ["x"]}, [["x", 1]], pd.Series(["x"]), b"a.parquet", "", object()])
def test_invalid_result_argument_is_rejected_before_reading(data):
    for given, side in (((data, "never-read.parquet"), "a"), (("never-read.parquet", data), "b")):
        with pytest.raises(ConfigError) as caught:
            compare(*given)
        assert (caught.value.where or "").startswith(side)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": 7}, "task must be .*, got 7"),
        ({"top": 0}, "top must be a positive integer, got 0"),
        ({"top": True}, "top must be"),
        ({"top": 2.5}, "top must be"),
        ({"rel_tol": -1e-9}, "rel_tol must be a non-negative number"),
        ({"abs_tol": NAN}, "abs_tol must be"),
        ({"abs_tol": float("inf")}, "abs_tol must be"),
        ({"rel_tol": "1e-9"}, "rel_tol must be"),
        ({"vid_type": "int32"}, "vid_type must be 'string' or 'int64'"),
        ({"allow_incomplete": "no"}, "allow_incomplete must be True or False"),
        ({"allow_unrelated": 1}, "allow_unrelated must be True or False"),
    ],
)
def test_invalid_arguments_are_rejected_before_reading(options, said):
    with pytest.raises(ConfigError, match=said):
        compare("never-read.parquet", "never-read.parquet", **options)


def test_secrets_in_urls_are_masked():
    with pytest.raises(FileReadError) as caught:
        compare(A, "ftp://user:s3cr3t@127.0.0.1:1/a.parquet?sig=s3cr3t")
    assert "s3cr3t" not in f"{caught.value!r} {caught.value}"


def test_full_outputs_compare(tmp_path):
    (tmp_path / "a.csv").write_text("x,1\ny,2\n")
    full = read_output(tmp_path / "a.csv", schema="kcore")
    assert compare(full, full).same
    with open_output(tmp_path / "a.csv", schema="kcore") as reader:
        found = compare(reader, full)
    assert found.same
    assert found.a.complete
