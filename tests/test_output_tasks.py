"""Full outputs of real jobs: found by the ids of job and task, and equal to their samples."""

from __future__ import annotations

import pandas as pd
import pytest
from platforms import with_slashes

from explorer_frames import Explorer, read_output, read_output_arrow
from explorer_frames._jobs.status import FINAL
from explorer_frames._outputs.parts import output_url
from explorer_frames.errors import ConfigError, FileReadError
from explorer_frames.sandbox import Graph, Sandbox

BACKENDS = [None, "numpy_nullable", "pyarrow"]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((1, False), id="one part", marks=pytest.mark.slow),
        pytest.param((3, True), id="three parts with headers"),
    ],
)
def world(request, tmp_path_factory):
    """Run both built-in workflows in a sandbox that writes its outputs."""
    folder = tmp_path_factory.mktemp("outputs")
    parts, header = request.param
    with (
        Sandbox(outputs_dir=folder, output_parts=parts, output_header=header) as server,
        Explorer(server.url, token=server.token) as explorer,
    ):
        jobs = [
            explorer.run_workflow(server.workflows[name]).wait(progress=False, poll=0.1)
            for name in ("karate", "lesmis")
        ]
        yield folder, header, parts, jobs


@pytest.mark.parametrize("backend", [None, *(pytest.param(name, marks=pytest.mark.slow) for name in BACKENDS[1:])])
def test_a_full_result_equals_its_sample(world, backend):
    folder, header, _, jobs = world
    seen = 0
    for task in (task for job in jobs for task in job.tasks):
        sample = task.read(dtype_backend=backend)
        full = task.read_output(folder, dtype_backend=backend)
        if header and task.name.startswith(("ShortestPath", "Tree_stat")):
            assert len(full) == len(sample)
        pd.testing.assert_frame_equal(full, sample)
        known = full.attrs["explorer_frames"]
        assert (known["job_id"], known["task_id"], known["complete"], known["rows"]) == (
            task.job_id,
            task.task_id,
            True,
            len(full),
        )
        assert known["source"].endswith(task.task_id)
        seen += len(full)
    assert seen > 5000


@pytest.mark.parametrize("vid_type", ["string", "int64"])
def test_cells_are_those_of_the_sample_byte_for_byte(world, vid_type):
    folder, _, parts, jobs = world
    for task in jobs[0].tasks:
        sample = task._explorer.read_sample_result_arrow(task, schema="auto", vid_type=vid_type)
        schema = sample.schema.remove_metadata()
        full = read_output_arrow(folder / task.job_id / task.task_id, schema=schema, vid_type=vid_type)
        assert full.equals(sample)
        assert len(list((folder / task.job_id / task.task_id).glob("part-*.csv.gz"))) == parts


def test_a_task_is_exported_from_its_full_result(world, tmp_path):
    folder, _, _, jobs = world
    task = jobs[1].task("PageRank")
    receipt = task.export_output(folder, tmp_path / "a.parquet", folder="{job_id}/{task_id}/part-*", mode="create")
    assert (receipt.rows, receipt.complete) == (77, True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), task.read())


def test_nasty_ids_go_through_the_sandbox_unchanged(tmp_path):
    ids = ["007", "NA", "", '"', 'a"b', ",", "\n", "\r", "\r\n", "\ufeffx", " x ", "é", "\x00", "null", "VID", "'=1"]
    with Sandbox(outputs_dir=tmp_path) as server, Explorer(server.url, token=server.token) as explorer:
        for rotated in (ids[number:] + ids[:number] for number in range(len(ids))):
            job, _ = server.add_result([rotated, ["0.5"] * len(ids)])
            task = explorer.job(job).tasks[0]
            assert task.read_output(tmp_path)["id"].tolist() == rotated == task.read()["id"].tolist()


def test_a_failed_task_leaves_no_output_and_a_finished_one_a_success_file(tmp_path):
    with Sandbox(outputs_dir=tmp_path) as server, Explorer(server.url, token=server.token) as explorer:
        workflow = server.add_workflow("mixed", Graph.karate(), {"a": ("Fail", {}), "b": ("BFS", {"root": "1"})})
        job = explorer.run_workflow(workflow)
        while job.status not in FINAL:
            job = job.refresh()
        folder = tmp_path / job.job_id
        assert [path.name for path in folder.iterdir()] == [job.tasks[1].task_id]
        names = sorted(path.name for path in (folder / job.tasks[1].task_id).iterdir())
        assert names == ["_SUCCESS", "part-00000.csv.gz", "part-00001.csv.gz"]


# --- where it lies

JOB, TASK = "12", "8c171f70fb6f4e3a"


@pytest.mark.parametrize(
    ("there", "path", "found"),
    [
        (["12/8c171f70fb6f4e3a/p"], None, "12/8c171f70fb6f4e3a"),
        (["12/tasks/8c171f70fb6f4e3a/p"], None, "12/tasks/8c171f70fb6f4e3a"),
        (["8c171f70fb6f4e3a/p"], None, "8c171f70fb6f4e3a"),
        (
            ["job_12_task_8c171f70fb6f4e3a/p", "job_121_task_8c171f70fb6f4e3a/p", "12/other/p"],
            None,
            "job_12_task_8c171f70fb6f4e3a",
        ),
        (["12-8c171f70fb6f4e3a.csv"], None, "12-8c171f70fb6f4e3a.csv"),
        (["12/pagerank_8c171f70fb6f4e3a.csv", "12/_8c171f70fb6f4e3a"], None, "12/pagerank_8c171f70fb6f4e3a.csv"),
        (["12-8c171f70fb6f4e3a-2/p", "a-12-8c171f70fb6f4e3a/p", "12_8c171f70fb6f4e3a/p"], None, "12_8c171f70fb6f4e3a"),
        (["8c171f70fb6f4e3a_12/p", "x_12_8c171f70fb6f4e3a.csv"], None, "x_12_8c171f70fb6f4e3a.csv"),
        (["a/12/8c171f70fb6f4e3a/p"], "a/{job_id}/{task_id}", "a/12/8c171f70fb6f4e3a"),
        (["8c171f70fb6f4e3a/12/p"], "/{task_id}/{job_id}/*", "8c171f70fb6f4e3a/12/*"),
    ],
)
@pytest.mark.parametrize("form", ["path", "text", "slash", "url"])
def test_a_result_is_found_under_its_root(tmp_path, there, path, found, form):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a,1\n")
    root = {"path": tmp_path, "text": str(tmp_path), "slash": f"{tmp_path}/", "url": f"file://{tmp_path}"}[form]
    url = output_url(root, JOB, TASK, folder=path)
    assert with_slashes(url).removeprefix("file://") == with_slashes(tmp_path / found)
    assert read_output(url, schema="pagerank")["id"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ([], "the folder contains no folders"),
        (["13/x/p", "readme"], "the folder contains 13, readme"),
        (["12/x/p"], "the folder contains 12, 12/x"),
        (
            ["12/8c171f70fb6f4e3a/p", "8c171f70fb6f4e3a/p"],
            "2 folders match: 12/8c171f70fb6f4e3a, 8c171f70fb6f4e3a",
        ),
        (
            ["12_8c171f70fb6f4e3a/p", "12-8c171f70fb6f4e3a/p"],
            "2 folders match: 12-8c171f70fb6f4e3a, 12_8c171f70fb6f4e3a",
        ),
    ],
)
def test_missing_or_ambiguous_folder_lists_candidates(tmp_path, there, says):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a,1\n")
    with pytest.raises(FileReadError) as caught:
        output_url(tmp_path, JOB, TASK)
    assert says in caught.value.what
    assert "12/tasks/8c171f70fb6f4e3a" in caught.value.hint
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("job", "task", "name", "found"),
    [
        ("52", "task-1", "52-task-1-2", False),
        ("52", "task-1", "52-task-1", True),
        ("52", "task-1", "52_x-task-1", False),
        ("5", "5", "result_5", False),
        ("5", "5", "5_5", True),
        ("5", "6", "6_5", False),
        ("5", "6", "15_6", False),
    ],
)
def test_output_folder_is_matched_by_whole_ids(tmp_path, job, task, name, found):
    (tmp_path / name).write_text("a,1\n")
    if found:
        assert output_url(tmp_path, job, task) == tmp_path / name
        return
    with pytest.raises(FileReadError, match=f"the folder contains {name}"):
        output_url(tmp_path, job, task)


@pytest.mark.parametrize(
    ("job", "task", "path"),
    [
        ("..", TASK, None),
        (JOB, "../x", None),
        (JOB, "a/b", "{task_id}"),
        (JOB, TASK, "{job_id}"),
        (JOB, TASK, 5),
        (JOB, TASK, ""),
    ],
)
def test_ids_and_paths_cannot_lead_elsewhere(tmp_path, job, task, path):
    with pytest.raises(ConfigError):
        output_url(tmp_path, job, task, folder=path)


def test_arguments_are_checked_before_anything_is_looked_for(world):
    task = world[3][0].tasks[0]
    for options in ({"schema": "nosuch"}, {"dtype_backend": "x"}, {"header": 1}, {"vid_type": 5}):
        with pytest.raises(ConfigError):
            task.read_output("/no/such/root", **options)
