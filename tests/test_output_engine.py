"""Full results as NebulaGraph Analytics stores them: folders by component and by k, no quoting, walks, holes."""

from __future__ import annotations

import gzip
from itertools import pairwise
from typing import TYPE_CHECKING

import dask
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import each
from hypothesis import assume, given, strategies as st

import explorer_frames.dask
from explorer_frames import Explorer, compare, export_output, open_output, read_output, read_output_arrow
from explorer_frames._decode import csv_rows
from explorer_frames._outputs.parts import output_url
from explorer_frames.errors import ColumnTypeError, ConfigError, DecodeError, FileReadError, JobError, RowShapeError
from explorer_frames.sandbox import Sandbox
from explorer_frames.sandbox._algorithms import everything

if TYPE_CHECKING:
    from pathlib import Path

IDS = pa.schema([("id", pa.string())])
TEXTS = pa.schema([("a", pa.string()), ("b", pa.string())])
CELLS = pa.schema([("cells", pa.list_(pa.string()))])
COMPONENTS = [*everything("1", "2")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run both built-in workflows in a sandbox that writes as the engine does; give root and jobs."""
    root = tmp_path_factory.mktemp("analytics-data")
    with (
        Sandbox(outputs_dir=root, output_style="engine", output_parts=3) as server,
        Explorer(server.url, token=server.token) as explorer,
    ):
        names = ("karate", "lesmis")
        yield root, {name: explorer.run_workflow(server.workflows[name]).wait(progress=False) for name in names}


def component_of(job, algorithm: str) -> tuple:
    """The first task of an algorithm, and its component."""
    return next(
        (task, component) for task, component in zip(job.tasks, COMPONENTS, strict=True) if task.name == algorithm
    )


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


# --- the files of the engine


@pytest.mark.parametrize(
    ("name", "vid_type"),
    [("karate", "int64"), pytest.param("karate", "string", marks=pytest.mark.slow), ("lesmis", "string")],
)
def test_every_full_result_is_found_by_its_component_and_equals_its_sample(world, name, vid_type):
    root, jobs = world
    for task, component in zip(jobs[name].tasks, COMPONENTS, strict=True):
        sample = task.read(vid_type=vid_type)
        full = task.read_output(root, component=component, vid_type=vid_type)
        if task.name.startswith("KCore subgraph"):
            full = full[full["k"] == 2].drop(columns="k").reset_index(drop=True)
        pd.testing.assert_frame_equal(full, sample, check_exact=False, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["karate", pytest.param("lesmis", marks=pytest.mark.slow)])
def test_the_folder_of_a_component_decides_on_the_columns(world, name):
    root, jobs = world
    for task, component in zip(jobs[name].tasks, COMPONENTS, strict=True):
        folder = root / jobs[name].job_id / "tasks" / component
        frame = task.read_output(root, component=component)
        pd.testing.assert_frame_equal(read_output(folder), frame)
        lazy = explorer_frames.dask.read_output(folder)
        with dask.config.set(scheduler="synchronous"):
            pd.testing.assert_frame_equal(lazy.compute().reset_index(drop=True), frame)


def test_a_task_is_exported_by_its_component(world, tmp_path):
    root, jobs = world
    task, component = component_of(jobs["lesmis"], "WCC")
    assert {path.name[:5] for path in (root / task.job_id / "tasks" / component).iterdir()} == {"part_"}
    receipt = task.export_output(root, tmp_path / "wcc.parquet", component=component)
    assert (receipt.rows, receipt.complete) == (77, True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "wcc.parquet"), task.read())


def test_a_component_of_another_algorithm_is_refused(world):
    root, jobs = world
    task, _ = component_of(jobs["lesmis"], "SSSP")
    with pytest.raises(ConfigError, match="does not match task 'SSSP'"):
        task.read_output(root, component="analytics_pagerank_1")
    frame = task.read_output(root, component="analytics_pagerank_1", schema="pagerank")
    assert list(frame.columns) == ["id", "score"]


@pytest.mark.parametrize("status", [0, 1, 3, 4, 5, 9])
def test_files_of_a_task_without_success_are_not_read(tmp_path, status):
    with Sandbox(outputs_dir=tmp_path) as server, Explorer(server.url, token=server.token) as explorer:
        job, task = server.add_result([["a"], ["1"]])
        server.set_status(job, status, task)
        with pytest.raises(JobError, match="its files may be incomplete"):
            explorer.job(job).tasks[0].read_output(tmp_path)
        server.set_status(job, None, task)
        assert explorer.job(job).tasks[0].read_output(tmp_path)["id"].tolist() == ["a"]


# --- where a result is


@each(
    ("there", "path", "found"),
    [
        ("12/tasks/analytics_sssp_1", None, "12/tasks/analytics_sssp_1"),
        ("12/analytics_sssp_1", None, "12/analytics_sssp_1"),
        ("analytics/12/tasks/analytics_sssp_1", "analytics/{job_id}/tasks/{component}", None),
        ("12/tasks/analytics_sssp_1", "{job_id}/tasks/{component}", None),
        ("12/tasks/analytics_sssp_1", "/{job_id}/tasks/{component}/*.csv", "12/tasks/analytics_sssp_1/*.csv"),
        ("12/8c17/analytics_sssp_1", "{job_id}/{task_id}/{component}", None),
    ],
)
def test_a_component_is_found_under_its_root(tmp_path, there, path, found):
    write(tmp_path / path_name(there), {f"{there}/0.csv": "a,1\n", "12/tasks/analytics_sssp_12/0.csv": "b,1\n"})
    root = tmp_path / path_name(there)
    url = output_url(root, "12", "8c17", folder=path, component="analytics_sssp_1")
    assert url == root / (found or there)
    assert read_output(url)["distance"].tolist() == [1.0]


def path_name(text: str) -> str:
    """A name for a folder of one case."""
    return text.replace("/", "-")


def test_an_error_lists_the_components_that_there_are(tmp_path):
    write(tmp_path, {"12/tasks/analytics_sssp_1/0.csv": "a,1\n", "12/tasks/analytics_bfs_2/0.csv": "a,1\n"})
    for component in (None, "analytics_sssp_2", "analytics_sssp"):
        with pytest.raises(FileReadError, match="12/tasks/analytics_bfs_2, 12/tasks/analytics_sssp_1") as caught:
            output_url(tmp_path, "12", "8c17", component=component)
        assert "component" in caught.value.hint


@each(
    ("component", "path"),
    [
        (None, "{job_id}/tasks/{component}"),
        ("analytics_sssp_1", "{job_id}/{task_id}"),
        ("analytics_sssp_1", "{job_id}/tasks/analytics_sssp_1"),
        ("analytics_sssp_1", "{job_id}/{componentt}/{component}"),
        (None, "{job}/{task_id}"),
        (None, "{}/{task_id}"),
        ("", None),
        ("..", None),
        ("a/b", None),
        ("{task_id}", None),
        (5.5, None),
    ],
)
def test_conflicting_component_and_path_are_rejected(tmp_path, component, path):
    with pytest.raises(ConfigError):
        output_url(tmp_path, "12", "8c17", folder=path, component=component)


@each(
    ("folder", "columns"),
    [
        ("analytics_pagerank_1", ["id", "score"]),
        ("analytics_sssp_12", ["id", "distance"]),
        ("analytics_tree_stat_1", ["width", "depth"]),
        ("tasks/analytics_bfs_1/sub", ["root", "visited"]),
        ("analytics_nosuch_1", ["id", "score"]),
        ("sssp", ["id", "score"]),
        ("my_sssp_1", ["id", "score"]),
    ],
)
def test_only_the_folder_of_a_component_names_an_algorithm(tmp_path, folder, columns):
    write(tmp_path, {f"{folder}/0.csv": "1,2\n"})
    for url in (tmp_path / folder, f"{tmp_path / folder}/", f"{tmp_path / folder}/*.csv", tmp_path / folder / "0.csv"):
        assert list(read_output(url).columns) == columns
        assert list(explorer_frames.dask.read_output(url).columns) == columns
    assert list(read_output(tmp_path / folder, schema=None).columns) == ["id", "score"]
    assert list(read_output(tmp_path / folder, schema="bfs").columns) == ["root", "visited"]


# --- KCore with TYPE=subgraph: a folder for each k


@pytest.fixture
def cores(tmp_path):
    return write(
        tmp_path / "analytics_kcore_1",
        {
            "2_core/0000_0000.csv.gz": "a,b\nb,a\nx,a\n",
            "2_core/0000_0001.csv.gz": "",
            "10_core/0000_0000.csv.gz": "b,a\n",
            "3_core/0000_0000.csv": "a,b\nb,a\n",
            "3_core/0000_0001.csv": "",
        },
    )


ALL_CORES = {
    "id": ["a", "b", "x", "a", "b", "b"],
    "neighbor": ["b", "a", "a", "b", "a", "a"],
    "k": [2, 2, 2, 3, 3, 10],
}


@pytest.mark.parametrize("schema", ["auto", "kcore", "kcoresubgraph"])
def test_the_folders_of_all_k_are_one_result_with_a_column_k(cores, schema):
    table = read_output_arrow(cores, schema=schema)
    assert table.to_pydict() == ALL_CORES
    assert table.schema.field("k") == pa.field("k", pa.int64(), nullable=False)
    assert table.schema.field("neighbor").type == pa.string()
    lazy = explorer_frames.dask.read_output(cores, schema=schema)
    assert lazy.npartitions == 5
    with dask.config.set(scheduler="synchronous"):
        computed = lazy.compute().reset_index(drop=True)
    pd.testing.assert_frame_equal(computed, read_output(cores, schema=schema))


def test_one_k_is_its_own_folder_without_a_column_k(cores):
    for url in (cores / "3_core", f"{cores}/3_core/*", f"{cores / '3_core'}/"):
        assert read_output_arrow(url).to_pydict() == {"id": ["a", "b"], "neighbor": ["b", "a"]}
    assert read_output(cores / "3_core" / "0000_0000.csv", schema="kcore")["neighbor"].tolist() == ["b", "a"]


@pytest.mark.parametrize("pattern", ["*_core", "*_core/*", "*/*.csv*", "*"])
def test_a_pattern_of_folders_is_ordered_by_k(cores, pattern):
    assert read_output_arrow(f"{cores}/{pattern}").to_pydict() == ALL_CORES


def test_a_pattern_may_select_some_k(cores):
    assert set(read_output(f"{cores}/[23]_core/*")["k"]) == {2, 3}
    assert set(read_output(f"{cores}/[2]_core/*")["k"]) == {2}


def test_ids_of_subgraphs_may_be_integers(tmp_path):
    write(tmp_path / "analytics_kcore_1", {"1_core/0.csv": "1,9007199254740993\n", "2_core/0.csv": ""})
    table = read_output_arrow(tmp_path / "analytics_kcore_1", vid_type="int64")
    assert table.to_pydict() == {"id": [1], "neighbor": [9007199254740993], "k": [1]}


def test_columns_of_your_own_have_k_only_if_they_say_so(cores):
    with_k = pa.schema([("u", pa.string()), ("v", pa.string()), ("k", pa.int32())])
    table = read_output_arrow(cores, schema=with_k)
    assert table.schema.equals(with_k)
    assert table["k"].to_pylist() == ALL_CORES["k"]
    assert read_output_arrow(cores, schema=TEXTS).num_columns == 2
    with dask.config.set(scheduler="synchronous"):
        lazy = explorer_frames.dask.read_output(cores, schema=with_k).compute()
    assert lazy["k"].tolist() == ALL_CORES["k"]
    with pytest.raises(RowShapeError):
        read_output(cores / "3_core", schema=with_k)


def test_results_of_another_algorithm_in_folders_of_cores_keep_their_columns(tmp_path):
    write(tmp_path, {"2_core/0.csv": "a,1\n", "3_core/0.csv": "a,2\n"})
    frame = read_output(tmp_path, schema="pagerank")
    assert frame.to_dict("list") == {"id": ["a", "a"], "score": [1.0, 2.0], "k": [2, 3]}
    assert read_output(tmp_path / "3_core", schema="pagerank").to_dict("list") == {"id": ["a"], "score": [2.0]}


@pytest.mark.parametrize("header", [None, True])
def test_headers_in_folders_of_cores_are_skipped(tmp_path, header):
    write(tmp_path, {f"{k}_core/0.csv": f"VID,VALUE\na,{k}\n" for k in (2, 3)})
    frame = read_output(tmp_path, header=header)
    assert frame.to_dict("list") == {"id": ["a", "a"], "neighbor": ["2", "3"], "k": [2, 3]}


def test_empty_cores_have_all_columns(tmp_path):
    write(tmp_path, {"2_core/0.csv.gz": "", "3_core/0.csv": ""})
    assert read_output_arrow(tmp_path).schema.names == ["id", "neighbor", "k"]


def test_cores_are_read_from_other_stores():
    fs = fsspec.filesystem("memory")
    for k in (2, 10, 3):
        fs.pipe_file(f"/cores/analytics_kcore_1/{k}_core/0000_0000.csv", f"a,{k}\n".encode())
    for url in ("memory://cores/analytics_kcore_1", "memory://cores/analytics_kcore_1/*_core/*"):
        table = read_output_arrow(url)
        assert table.to_pydict() == {"id": ["a"] * 3, "neighbor": ["2", "3", "10"], "k": [2, 3, 10]}
    assert read_output_arrow("memory://cores/analytics_kcore_1/3_core").to_pydict() == {"id": ["a"], "neighbor": ["3"]}
    with pytest.raises(ConfigError, match="inside the input folder"):
        export_output("memory://cores/analytics_kcore_1", "memory://cores/analytics_kcore_1/2_core/x.parquet")
    fs.rm("/cores", recursive=True)


@each(("name", "kind"), [("9" * 30, pa.int64()), ("300", pa.int8()), ("300", pa.string()), ("300", pa.float64())])
def test_a_k_that_does_not_fit_is_a_typed_error(tmp_path, name, kind):
    folder = write(tmp_path / f"{name}{kind}", {f"{name}_core/0.csv": "a,b\n"})
    schema = pa.schema([("a", pa.string()), ("b", pa.string()), ("k", kind)])
    with pytest.raises((FileReadError, RowShapeError)):
        read_output(folder, schema=schema)


@each(
    ("more", "says"),
    [
        ({"0000_0000.csv": "a,1\n"}, "among the CSV files"),
        ({"other/0.csv": "a,1\n"}, "among the CSV files"),
        ({"4_core/sub/0.csv": "a,1\n"}, "among the CSV files"),
        ({"4_core/_SUCCESS": ""}, "no CSV files"),
        ({"4_core/0.csv._COPYING_": ""}, "unfinished"),
        ({"4_core/0.csv": "", "4_core/0.csv.gz": ""}, "duplicate files"),
        ({"-1_core/0.csv": "a,b\n"}, "among the CSV files"),
    ],
)
def test_folders_that_are_not_only_cores_are_refused(tmp_path, more, says):
    folder = write(tmp_path / path_name("".join(more)), {"2_core/0.csv": "a,b\n", "3_core/0.csv": "a,b\n", **more})
    with pytest.raises(FileReadError, match=says):
        read_output(folder)


def test_an_error_in_a_core_names_its_file_and_line(cores):
    write(cores, {"10_core/0000_0001.csv": "a,b\nc\n"})
    with pytest.raises(RowShapeError) as caught:
        read_output(cores)
    assert f"[{cores / '10_core' / '0000_0001.csv'}, line 2]" in str(caught.value)
    assert caught.value.row == 7


def test_cores_are_exported_and_compared_with_their_k(cores, tmp_path):
    receipt = export_output(cores, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == ALL_CORES
    assert receipt.complete
    assert compare(tmp_path / "a.parquet", read_output(cores)).same
    for target in ("2_core/x.parquet", "x.parquet"):
        with pytest.raises(ConfigError, match="inside the input folder"):
            export_output(cores, cores / target)


@pytest.mark.parametrize("change", ["more", "gone"])
def test_a_core_that_changes_while_it_is_read_is_an_error(cores, change):
    write(cores, {f"2_core/000{number}_0001.csv": "a,b\n" * 3_000_000 for number in range(1, 3)})
    with open_output(cores) as reader:
        assert reader.read_next_batch().num_rows
        if change == "more":
            write(cores, {"4_core/0.csv": "a,b\n"})
        else:
            (cores / "10_core" / "0000_0000.csv.gz").unlink()
        with pytest.raises(FileReadError):
            reader.read_all()


# --- no quoting at all

UNQUOTED = ['"', '""', '"a"', 'a"b', 'a"', '"a', "New York", " a ", "\ta\t", "'", "\\", '6"', "é", "007", "NA", '"VID"']


@each("text", UNQUOTED)
def test_quotes_and_blanks_are_text_without_quoting(tmp_path, text):
    write(tmp_path, {"0.csv": f"x,0.5\n{text},1\n", "1.csv.gz": f"{text},2\n{text},3\n"})
    table = read_output_arrow(tmp_path, schema="pagerank", quoting="none")
    assert table.to_pydict() == {"id": ["x", text, text, text], "score": [0.5, 1.0, 2.0, 3.0]}
    frame = explorer_frames.dask.read_output(tmp_path, schema="pagerank", quoting="none")
    with dask.config.set(scheduler="synchronous"):
        assert frame.compute()["id"].tolist() == table["id"].to_pylist()
    with open_output(tmp_path, schema="pagerank", quoting="none") as reader:
        assert reader.read_all().equals(table)
    assert export_output(tmp_path, tmp_path.parent / "x.parquet", schema="pagerank", quoting="none").rows == 4


def test_a_task_is_read_and_exported_without_quoting(tmp_path):
    root = tmp_path / "root"
    ids = ['a"b', '"c"', "New York"]
    with (
        Sandbox(outputs_dir=root, output_style="engine") as server,
        Explorer(server.url, token=server.token) as explorer,
    ):
        job, _ = server.add_result([ids, ["0.5"] * 3])
        task = explorer.job(job).tasks[0]
        given = {"component": "analytics_pagerank_1", "quoting": "none"}
        assert task.read_output(root, **given)["id"].tolist() == ids
        assert task.export_output(root, tmp_path / "x.parquet", **given).rows == 3
        with pytest.raises(DecodeError) as caught:
            task.read_output(root, component="analytics_pagerank_1")
        assert 'quoting="none"' in caught.value.hint


@each(
    ("text", "error", "line"),
    [
        ("a,1\nb,c,2\n", RowShapeError, 2),
        ('a,1\n"b,c",2\n', RowShapeError, 2),
        ('a,1\n"b\nc",2\n', RowShapeError, 2),
        ("a,1\n\nb,2\n", RowShapeError, 2),
        ('a,1\nb,"2"\n', ColumnTypeError, 2),
        ("a,1\nb\rc,2\n", RowShapeError, 2),
        (b"a,1\n\xff,2\n", DecodeError, 2),
    ],
)
def test_lines_that_do_not_fit_without_quoting_are_refused(tmp_path, text, error, line):
    path = write(tmp_path, {"0.csv": text}) / "0.csv"
    with pytest.raises(error) as caught:
        read_output(path, schema="pagerank", quoting="none")
    assert f"[{path}, line {line}]" in str(caught.value)


def test_lines_are_counted_over_blocks_without_quoting(tmp_path):
    many = "".join(f'"{number},{number}\n' for number in range(300_000))
    write(tmp_path, {"0.csv": f'"VID","VALUE"\r\n{many}"a,x\n'})
    with pytest.raises(ColumnTypeError, match="line 300002"):
        read_output(tmp_path, schema="pagerank", quoting="none")


@given(text=st.text(st.sampled_from('a,"\n\r é'), max_size=14), data=st.data())
def test_any_text_without_quoting_is_split_at_each_comma_and_line_end(text, data):
    at = data.draw(st.integers(0, len(text)))
    pieces = [text[:at].encode(), text[at:].encode()]
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    if "" in lines or any("\r" in line for line in lines):
        with pytest.raises(RowShapeError):
            cells_of(pieces, "none")
    else:
        assert cells_of(pieces, "none") == [line.split(",") for line in lines]


def cells_of(pieces: list[bytes], quoting: str) -> list[list[str]]:
    blocks = [*csv_rows.read_blocks(pieces, 0, lambda _: False, quoting)]
    return [row for block in blocks for row in block.to_batch(CELLS)["cells"].to_pylist()]


# --- header


@each(
    ("schema", "line"),
    [
        ("pagerank", "VID,VALUE"),
        ("pagerank", "vid, value"),
        ("pagerank", " Vid ,\tScore "),
        ("pagerank", '"VID", "VALUE"'),
        ("pagerank", "id,score"),
        ("louvain", "VID,COMMUNITY"),
        ("louvain", "vid, Label"),
        ("louvain", "ID,label"),
        ("kcoresubgraph", "VID,NEIGHBOR"),
        ("kcoresubgraph", "vid,value"),
        ("bfs", "VID,COUNT"),
        ("bfs", "root, visited"),
        ("bfs", "vid,value"),
        ("degreecentrality", "vid,BothDegree,out degree,IN-DEGREE"),
        ("degreecentrality", "VID,DEGREE"),
        ("degreecentrality", "VID, OUT_DEGREE"),
        ("apsp", "vid1, vid2, distance"),
        ("apsp", "ID1,ID2,VALUE"),
        ("jaccard", "vid_1,vid_2,value"),
        ("trianglecount", "VID1, VID2, VID3"),
        ("trianglecount", "id1,id2,id3"),
        ("trianglecount", "Count"),
        ("hyperanf", "# VALUE"),
        ("tree_stat", "Width, Depth"),
        (None, "VID,LABEL"),
        (None, "VID, Value, Label"),
        ("auto", "VID,VALUE"),
        (TEXTS, "A, B"),
        (TEXTS, "vid, label"),
        (TEXTS, "id,neighbor"),
    ],
)
def test_a_header_is_skipped_in_any_spelling(tmp_path, schema, line):
    count = line.count(",") + 1
    row = "1," * (count - 1) + "2\n"
    path = write(tmp_path, {"0.csv": f"{line}\n{row}"}) / "0.csv"
    for quoting in ("minimal", "none"):
        if quoting == "minimal" and ', "' in line:
            continue  # no CSV
        assert read_output_arrow(path, schema=schema, quoting=quoting).num_rows == 1
        path.write_text(f"{line}\n")
        empty = read_output_arrow(path, schema=schema, quoting=quoting)
        assert (empty.num_rows, empty.num_columns) == (0, count)
        path.write_text(f"{line}\n{row}")


@each(
    ("schema", "line"),
    [
        ("louvain", "a,label"),
        ("louvain", "vid,distance"),
        ("louvain", "label,vid"),
        ("kcoresubgraph", "value,id"),
        ("trianglecount", "vid1,vid2,a"),
        (TEXTS, "label,vid"),
        (TEXTS, "x,y"),
        (IDS, "VID"),
        ("shortestpath", "path"),
        ("shortestpath", "vid1,vid2"),
    ],
)
def test_a_line_that_may_be_a_row_is_read(tmp_path, schema, line):
    path = write(tmp_path, {"0.csv": f"{line}\n"}) / "0.csv"
    assert read_output_arrow(path, schema=schema).num_rows == 1
    assert read_output_arrow(path, schema=schema, header=True).num_rows == 0


# --- holes

HOLE = b"\0" * 4096


@each(
    ("content", "line"),
    [
        (b"a,1\n\0\nb,2\n", 2),
        (b"a\0,1\n", 1),
        (b"\0\0\0", 1),
        (HOLE, 1),
        (HOLE + b"a,1\n", 1),
        (b"a,1\nb,2\n" + HOLE, 3),
        (b"a,1\nb" + HOLE + b",2\nc,3\n", 2),
        (b"a,1\nb,2" + HOLE + b"\nc,3\n", 2),
        (b"a,1\n" * 400_000 + HOLE * 600 + b"a,1\n" * 400_000, 400_001),
        (b"a,1\n" + b"\0" * (20 * 2**20) + b"b,1\n", 2),
        (b'"a\n",1\n\0,1\n', 3),
        (b"VID,VALUE\n\0,1\n", 2),
    ],
)
def test_a_nul_byte_outside_quotes_is_refused(tmp_path, content, line):
    path = write(tmp_path, {"0.csv": content}) / "0.csv"
    for quoting in ("minimal", "none"):
        with pytest.raises(DecodeError, match="NUL byte") as caught:
            read_output(path, schema="pagerank", quoting=quoting)
        assert f"[{path}, line {line}]" in str(caught.value)
        assert "sparse file" in caught.value.hint


def test_a_sparse_file_is_refused(tmp_path):
    path = tmp_path / "0.csv"
    with path.open("wb") as file:
        file.write(b"a,1\n")
        file.seek(2**20)
        file.write(b"b,2\n")
    with pytest.raises(DecodeError, match="NUL byte"):
        read_output(path, schema="pagerank")
    with dask.config.set(scheduler="synchronous"), pytest.raises(DecodeError, match="NUL byte"):
        explorer_frames.dask.read_output(path, schema="pagerank").compute()


def test_a_nul_byte_in_quotes_is_text_only_where_quotes_are_read(tmp_path):
    path = write(tmp_path, {"0.csv": '"a\0b",1\n'}) / "0.csv"
    assert read_output(path, schema="pagerank")["id"].tolist() == ["a\0b"]
    with pytest.raises(DecodeError, match="NUL byte"):
        read_output(path, schema="pagerank", quoting="none")


# --- walks and paths


@each(
    ("text", "paths"),
    [
        ("a b c\nb\nc d\n", [["a", "b", "c"], ["b"], ["c", "d"]]),
        ("a b c \nb \n", [["a", "b", "c"], ["b"]]),
        (" a  b\tc\n", [["a", "b", "c"]]),
        ("b\na b\n", [["b"], ["a", "b"]]),
        ("b\na,b\n", [["b"], ["a", "b"]]),
        ("a,New York\nb\n", [["a", "New York"], ["b"]]),
        ("New York,a\n", [["New York", "a"]]),
        ('"New York"\na,b\n', [["New York"], ["a", "b"]]),
        ('"New York"\na\n', [["New York"], ["a"]]),
        ("a\nb\n", [["a"], ["b"]]),
        ("", []),
    ],
)
@pytest.mark.parametrize("schema", ["Node2Vec", "ShortestPath", "auto"])
def test_paths_are_separated_by_blanks_or_by_commas(tmp_path, schema, text, paths):
    folder = write(tmp_path / "analytics_node2vec_1", {"0.csv": text})
    assert read_output_arrow(folder, schema=schema)["path"].to_pylist() == paths
    with dask.config.set(scheduler="synchronous"):
        found = explorer_frames.dask.read_output(folder, schema=schema).compute()
    assert [list(path) for path in found["path"]] == paths


VID = st.text(st.sampled_from('ab"é\u00a0.') | st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=4)


@given(walks=st.lists(st.lists(VID, min_size=1, max_size=4), min_size=1, max_size=8), data=st.data())
def test_generated_walks_come_back_however_they_are_cut(walks, data):
    assume(not any("," in vid for walk in walks for vid in walk))
    blanks = st.sampled_from([" ", "  ", "\t"])
    lines = [data.draw(blanks).join(walk) + data.draw(st.sampled_from(["", " "])) for walk in walks]
    text = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
    paths, schema = csv_rows.Paths(), pa.schema([("path", pa.list_(pa.string()))])
    blocks = csv_rows.read_blocks(pieces, 0, lambda _: False, "none")
    found = [path for block in blocks for path in paths.to_batch(block, schema)["path"].to_pylist()]
    assert found == walks


def test_vertices_of_walks_may_be_integers(tmp_path):
    path = write(tmp_path, {"0.csv": "1 2 9007199254740993\n-4\n"}) / "0.csv"
    table = read_output_arrow(path, schema="node2vec", vid_type="int64")
    assert table.to_pydict() == {"path": [[1, 2, 9007199254740993], [-4]]}
    path.write_text("1 2\n3 x 4\n")
    with pytest.raises(ColumnTypeError) as caught:
        read_output(path, schema="node2vec", vid_type="int64")
    assert (caught.value.row, caught.value.where) == (1, f"{path}, line 2")


def test_quotes_are_text_in_walks_without_quoting(tmp_path):
    path = write(tmp_path, {"0.csv": '"a b" c"d\n"\n'}) / "0.csv"
    assert read_output_arrow(path, schema="node2vec", quoting="none")["path"].to_pylist() == [
        ['"a', 'b"', 'c"d'],
        ['"'],
    ]


@each(
    ("text", "line"),
    [
        ("a b\nc,d\n", 2),
        ("a,b\nc d\n", 2),
        ("a\nb,c\nd\ne f\n", 4),
        ('a b\n"c d"\n', 2),
        ("a b\n" * 300_000 + "c,d\n", 300_001),
        ("c,d\n" * 300_000 + "a\na b\n", 300_002),
        (" \na b\n", 1),
        ("a b\n\t \n", 2),
    ],
)
def test_paths_with_both_separators_are_refused(tmp_path, text, line):
    path = write(tmp_path, {"0.csv": text}) / "0.csv"
    with pytest.raises(RowShapeError) as caught:
        read_output(path, schema="node2vec")
    assert f"[{path}, line {line}]" in str(caught.value)
    assert caught.value.row == line - 1
    assert "cells" in caught.value.hint


def test_both_separators_in_different_files_are_refused(tmp_path):
    write(tmp_path, {"0.csv": "a b\n", "1.csv": "", "2.csv": "a,b\n"})
    with pytest.raises(RowShapeError) as caught:
        read_output(tmp_path, schema="node2vec")
    assert f"[{tmp_path / '2.csv'}, line 1]" in str(caught.value)


def test_cells_with_spaces_are_not_split(tmp_path):
    path = write(tmp_path, {"0.csv": "a b c\nd,e f\n"}) / "0.csv"
    assert read_output_arrow(path, schema=CELLS)["cells"].to_pylist() == [["a b c"], ["d", "e f"]]


# --- empty files, names and numbers


@pytest.mark.parametrize("header", ["", "VID,VALUE\n"])
def test_threads_without_rows_leave_empty_files(tmp_path, header):
    names = ["0000_0000.csv.gz", "0000_0001.csv.gz", "0001_0000.csv", "part_0001_0001.csv", "part_0002_0000.csv.gz"]
    for last in (True, False):
        rows = ["", "", "", "", "a,1\n"] if last else ["a,1\n", "", "", "", ""]
        folder = write(
            tmp_path / f"{last}", {name: (header + row) * bool(row) for name, row in zip(names, rows, strict=True)}
        )
        assert read_output(folder, schema="pagerank").to_dict("list") == {"id": ["a"], "score": [1.0]}


def test_names_that_nfs_and_others_hide_are_skipped(tmp_path):
    write(tmp_path, {"0000_0000.csv": "a,1\n", ".nfs00000001": "x", ".snapshot/0": "x", "_meta": "x"})
    assert len(read_output(tmp_path, schema="pagerank")) == 1


@each(
    ("text", "value"),
    [
        ("0.0754301", 0.0754301),
        ("1e-07", 1e-07),
        ("1e+06", 1e6),
        ("0.150000", 0.15),
        ("0", 0.0),
        ("inf", np.inf),
        ("-inf", -np.inf),
        ("nan", np.nan),
        ("-nan", np.nan),
        ("1.79769e+308", 1.79769e308),
        ("4.94066e-324", 5e-324),
    ],
)
def test_doubles_are_read_as_c_plus_plus_prints_them(tmp_path, text, value):
    path = write(tmp_path, {"0.csv": f"a,{text}\n"}) / "0.csv"
    found = read_output(path, schema="sssp")["distance"][0]
    assert found == value or (np.isnan(found) and np.isnan(value))
