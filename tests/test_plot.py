"""Pictures as a person sees them: what is drawn, at which place, in which words, and nothing cut off."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib import font_manager

from explorer_frames import plot_result, read_sample_result_arrow
from explorer_frames._frames import to_pandas
from explorer_frames.errors import ConfigError
from explorer_frames.sandbox import Graph

MANY = 1_000_000


@pytest.fixture(autouse=True)
def _no_trace_is_left(caplog):
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before
    assert not caplog.get_records("call")  # what matplotlib lacks, such as glyphs, it may also say in the log


def known(table, **facts):
    """The table with facts of where it came from."""
    facts = {
        "workflow_id": "1003",
        "job_id": "107",
        "task_name": "PageRank",
        "rows": len(table),
        "complete": True,
    } | facts
    return table.replace_schema_metadata({"explorer_frames": json.dumps(facts)})


def vertices(**columns):
    count = len(next(iter(columns.values())))
    return pa.table({"id": [f"v{number}" for number in range(count)], **columns})


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def named(ax):
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def bars(ax):
    return [bar.get_height() for bar in ax.patches]


def curve(ax, place=0):
    return [[float(value) for value in values] for values in ax.lines[place].get_data()]


def seen(ax):
    """Draw it; return the box of everything in the figure, in figure coordinates."""
    figure = ax.get_figure(root=True)
    figure.canvas.draw()
    box = figure.get_tightbbox().get_points() / figure.get_size_inches()
    return box.min(), box.max()


def test_scores_become_a_rank_curve_that_names_the_first():
    ax = plot_result(known(vertices(score=[0.25, 1.0, 0.5, 0.75])))
    assert curve(ax) == [[1, 2, 3, 4], [1.0, 0.75, 0.5, 0.25]]
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rank among the vertices", "score")
    assert named(ax) == ["1. v1  1", "2. v3  0.750", "3. v2  0.500", "4. v0  0.250"]
    assert ax.get_title(loc="left") == "PageRank\nworkflow 1003, job 107, 4 rows"


def test_scores_of_a_heavy_tail_have_logarithmic_axes_and_count_the_zeros_below_them():
    ax = plot_result(vertices(score=[0.0, 0.0, *(1000.0 / rank for rank in range(1, 51))]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "rank among the vertices (2 with score 0)"
    assert len(curve(ax)[0]) == 50
    shown = {"1", "2", "5", "10", "20", "50"}
    assert shown <= set(ticks(ax.xaxis))


def test_top_is_a_bar_for_each_with_its_id_and_number():
    ax = plot_result(vertices(score=[0.25, 1.0, 0.5]), kind="top", top=2)
    assert ticks(ax.yaxis) == ["v1", "v2"]
    assert [bar.get_width() for bar in ax.patches] == [1.0, 0.5]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the largest is above
    assert [text.get_text() for text in ax.texts] == ["1", "0.500"]
    assert ax.get_xlabel() == "score (the 2 largest of 3)"


def test_top_counts_what_it_leaves_out():
    scores = vertices(score=[1.0, 2.0, 3.0, np.nan, np.inf])
    assert plot_result(scores, kind="top").get_xlabel() == "score (2 without a finite number)"
    assert (
        plot_result(scores, kind="top", top=2).get_xlabel() == "score (the 2 largest of 5; 2 without a finite number)"
    )
    ax = plot_result(vertices(distance=[1.0, np.inf, np.nan]), kind="top")
    assert (
        " ".join(ax.get_xlabel().split()) == "distance in edges or weights (1 without a finite number; 1 not reached)"
    )


@pytest.mark.parametrize("kind", ["top", "rank"])
def test_where_nothing_is_reached_no_picture_is_empty(kind):
    ax = plot_result(vertices(distance=[np.inf] * 4), kind=kind)
    assert [text.get_text() for text in ax.texts] == ["no finite numbers"]
    assert ax.get_xlabel() == "distance in edges or weights (4 not reached)"


def test_few_communities_become_bars_of_their_sizes():
    ax = plot_result(vertices(community=["b", "a", "b", "c", "b", "a"]))
    assert ticks(ax.yaxis) == ["b", "a", "c"]
    assert [bar.get_width() for bar in ax.patches] == [3, 2, 1]
    assert ax.get_xlabel() == "vertices in the community"


def test_one_community():
    assert [bar.get_width() for bar in plot_result(vertices(community=[7, 7, 7])).patches] == [3]


def test_many_communities_become_a_rank_curve_of_their_sizes():
    labels = np.repeat(np.arange(100_000), np.arange(100_000) % 3 + 1)
    ax = plot_result(pa.table({"id": np.arange(len(labels)), "community": labels}))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rank among the communities", "vertices in the community")
    assert max(curve(ax)[0]) == 100_000
    assert len(curve(ax)[0]) <= 2_000
    assert named(ax) == []  # 33,333 are as large as the first


def test_degrees_become_two_curves_of_in_and_out():
    ax = plot_result(vertices(both_degree=[2, 3, 1], out_degree=[1, 3, 0], in_degree=[1, 0, 1]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert named(ax) == ["out-degree", "in-degree"]
    assert curve(ax, 0) == [[1, 3], [2, 1]]
    assert curve(ax, 1) == [[1], [2]]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert ax.get_xlabel() == "degree (1 with out-degree 0; 1 with in-degree 0)"
    assert ax.get_ylabel() == "vertices with as much or more"


def test_one_degree_can_be_chosen_and_ranked():
    table = vertices(both_degree=[2, 3], out_degree=[1, 3], in_degree=[1, 0])
    assert curve(plot_result(table, column="out_degree")) == [[1, 3], [2, 1]]
    assert plot_result(table, kind="rank").get_ylabel() == "degree"
    assert named(plot_result(table, kind="rank", column="in_degree"))[0] == "1. v0  1"


@pytest.mark.parametrize("away", [np.inf, 2.0**63])
def test_distances_become_a_bar_each_and_one_for_what_is_not_reached(away):
    ax = plot_result(vertices(distance=[0.0, 1.0, 1.0, 3.0, away]))
    assert bars(ax) == [1, 2, 1, 1]
    assert ticks(ax.xaxis) == ["0", "1", "2", "3", "not\nreached"]
    assert [text.get_text() for text in ax.texts] == ["1", "2", "1", "1"]
    assert ax.get_xlabel() == "distance in edges or weights"


def test_distances_that_are_no_whole_numbers_become_a_histogram():
    distances = [*np.linspace(0.0, 9.5, 100), np.inf]
    ax = plot_result(vertices(distance=distances))
    assert sum(bars(ax)) == 100
    assert ax.get_xlabel().endswith("(1 not reached)")


def test_core_numbers_and_counts_become_bars():
    ax = plot_result(vertices(core=[1, 1, 2, 4]))
    assert bars(ax) == [2, 1, 1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("core number", "vertices")
    assert bars(plot_result(vertices(count=[5, 5]))) == [2]


def test_pairs_are_named_by_both_ids():
    table = pa.table({"id1": ["a", "a"], "id2": ["b", "c"], "score": [0.1, 0.2]})
    assert named(plot_result(table)) == ["1. a, c  0.200", "2. a, b  0.100"]


def test_a_histogram_counts_everyone():
    numbers = np.random.default_rng(0).normal(10, 1, 1000)
    ax = plot_result(vertices(score=numbers), kind="distribution")
    assert sum(bars(ax)) == 1000
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("score", "vertices")


def test_the_distribution_of_a_heavy_tail_is_a_curve():
    ax = plot_result(vertices(score=[0.0, 1.0, 1.0, 10.0, 100.0]), kind="distribution")
    assert curve(ax) == [[1, 10, 100], [4, 2, 1]]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_columns_of_ones_own_are_drawn_by_their_types():
    table = pa.table({"vid": ["a", "b"], "importance": [0.5, 1.5], "group": ["x", "x"]})
    assert plot_result(table).get_ylabel() == "importance"
    assert named(plot_result(table))[0] == "1. b  1.50"
    assert ticks(plot_result(table, column="group").yaxis) == ["x"]
    numbered = pa.table({"vid": [7, 8], "flow": pa.array([1, 1], pa.int64()), "kind": pa.array(["a", None])})
    assert bars(plot_result(numbered)) == [2]
    categories = numbered.set_column(2, "kind", numbered["kind"].dictionary_encode())
    for data in (numbered, categories, numbered.to_pandas().astype({"kind": "category"})):
        assert ticks(plot_result(data, column="kind").yaxis) == ["a", "None"]


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_frames_of_all_dtypes_give_the_same_picture(backend):
    table = known(vertices(score=[0.25, None, 0.5]), complete=False)
    ax = plot_result(to_pandas(table, backend))
    assert curve(ax) == [[1, 2], [0.5, 0.25]]
    assert ax.get_xlabel() == "rank among the vertices (1 without a finite number)"
    assert ax.get_title(loc="left").endswith(", 3 rows, incomplete")


def test_other_tables_and_streams_are_taken():
    table = vertices(score=[0.25, 0.5])
    for data in (table.to_reader(), pl.from_arrow(table), table.to_pandas().set_index("id")):
        assert named(plot_result(data))[0] == "1. v1  0.500"


def test_a_part_of_a_result_may_be_incomplete():
    frame = to_pandas(known(vertices(score=[0.25, 0.5, 0.75])))
    assert "incomplete" not in plot_result(frame).get_title(loc="left")
    assert plot_result(frame.head(2)).get_title(loc="left").endswith(", 2 rows, maybe incomplete")
    assert plot_result(pd.DataFrame({"id": ["a"], "score": [1.0]})).get_title(loc="left") == ""


@pytest.mark.slow
def test_every_result_of_the_sandbox_has_a_picture_or_says_why_not(sandbox, explorer):
    job = explorer.run_workflow(sandbox.workflows["lesmis"]).wait(progress=False)
    without = set()
    for task in job.tasks:
        table = read_sample_result_arrow(job.job_id, task.task_id, None, schema="auto", explorer=explorer)
        try:
            ax = plot_result(table)
        except ConfigError:
            without.add(task.name)
            continue
        assert ax.get_title(loc="left").startswith(task.name)
        low, high = seen(ax)
        assert low >= -0.01
        assert high <= 1.01
        plt.close("all")
    assert without == {
        "HyperANF",
        "KCore subgraph kmin=2",
        "Query",
        "ShortestPath",
        "Tree_stat",
        "TriangleCount",
        "TriangleCount opt=1",
    }


KINDS = ["rank", "distribution", "top"]
FEW = [
    ([], "no rows"),
    ([np.nan, np.inf, -np.inf], "no finite numbers"),
    ([0.5], None),
    ([0.0] * 30, None),
    ([1 / 77] * 77, None),
]
ODD = [
    [1.0 + number * 1e-16 for number in range(50)],
    [-3.0, -1.0, 0.0, 2.5, np.nan, np.inf],
    [1e308, -1e308, 1e299, -1e299],
    [5e-324, 1e-310, 1.0],
    [1e18, 1e18 + 256, 1e19],
]


@pytest.mark.parametrize(
    ("kind", "scores", "says"),
    [
        # One kind of picture in the fast lane, in turn.
        pytest.param(kind, *case, marks=[] if kind == KINDS[place % 3] else pytest.mark.slow)
        for place, case in enumerate([*FEW, *((scores, None) for scores in ODD)])
        for kind in KINDS
    ],
)
def test_odd_numbers_are_drawn_or_said(kind, scores, says):
    ax = plot_result(known(vertices(score=pa.array(scores, pa.float64()))), kind=kind)
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01
    assert ([text.get_text() for text in ax.texts] == [says]) if says else (ax.lines or ax.patches)


def test_scores_that_are_all_equal_name_no_first():
    assert named(plot_result(vertices(score=[0.5] * 20))) == []


IDS = [
    "诸葛亮",
    "$x_1$ \\alpha",
    "two\nlines",
    "_hidden",
    "https://example.org/people/" + "x" * 300 + "/42",
    "हिन्दी 🙂",
    "",
]


@pytest.mark.parametrize("kind", ["rank", "top"])
def test_any_id_can_be_read_and_none_warns(kind):
    table = pa.table({"id": IDS, "$a_分$": [7.0, 6, 5, 4, 3, 2, 1]})
    ax = plot_result(known(table, task_name="分析 $x$ " * 40), kind=kind)
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01
    shown = ticks(ax.yaxis) if kind == "top" else [line.split("  ")[0][3:] for line in named(ax)]
    assert shown[:5] == [
        r"\u8bf8\u845b\u4eae",
        "$x_1$ \\alpha",
        "two\\nlines",
        "_hidden",
        "https://examp…xxxxxxxxxxx/42",
    ]


def test_an_installed_font_is_used_for_what_the_usual_one_lacks(tmp_path, monkeypatch):
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    builder = FontBuilder(1000, isTTF=True)
    glyphs = [".notdef", "zhu"]
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord("诸"): "zhu"})
    builder.setupGlyf({name: Glyph() for name in glyphs})
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Ours", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "ours.ttf")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(tmp_path / "ours.ttf")
    ax = plot_result(pa.table({"id": ["诸", "诸葛"], "score": [2.0, 1.0]}), kind="top")
    seen(ax)
    assert ticks(ax.yaxis) == ["诸", "诸\\u845b"]
    assert ax.get_yticklabels()[0].get_fontfamily()[-1] == "Ours"


def test_an_axes_is_taken_and_no_figure_made():
    figure = mpl.figure.Figure(figsize=(10, 8), layout="constrained")
    table = known(vertices(score=np.arange(40.0)), complete=None)
    for kind, ax in zip(("rank", "distribution", "top"), figure.subplots(1, 3), strict=True):
        assert plot_result(table, kind=kind, ax=ax) is ax
    assert plt.get_fignums() == []
    low, high = seen(figure.axes[0])
    assert low >= -0.01
    assert high <= 1.01


@pytest.mark.slow
def test_long_titles_and_labels_of_a_small_axes_go_on_more_lines():
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    for ax in axes:
        plot_result(known(vertices(score=[0.0, 1.0, 2.0, 90.0] * 30), complete=None), ax=ax)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in axes]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def steps_of(call):
    """Count the Python lines and the Python and C calls that a call takes."""
    steps = 0

    def at(_frame, event, _argument):
        nonlocal steps
        steps += event in ("call", "line", "c_call")
        return at

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(at)
    sys.setprofile(at)
    try:
        call()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return steps


def drawn(table, kind):
    plot_result(table, kind=kind).figure.canvas.draw()


@pytest.mark.slow
def test_a_million_rows_are_thinned_to_what_can_be_seen():
    scores = np.random.default_rng(0).pareto(1.5, MANY) + 1e-9
    table = pa.table({"id": np.arange(MANY), "score": scores})
    for kind in ("rank", "distribution"):
        few, many = (steps_of(partial(drawn, some, kind)) for some in (table[: MANY // 100], table))
        assert many < few + MANY / 2  # a step of Python for each row would be more
        ranks = curve(plot_result(table, kind=kind))[0]
        assert 1_000 < len(ranks) <= 2_000
    assert named(plot_result(table))[0].startswith(f"1. {scores.argmax()}  ")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "pie"}, "kind 'pie' is unknown"),
        ({"kind": ["rank"]}, "is unknown"),
        ({"top": 0}, "top must be"),
        ({"top": True}, "top must be"),
        ({"top": "5"}, "top must be"),
        ({"column": "nope"}, "no column 'nope'"),
        ({"column": 1}, "no column '1'"),
        ({"ax": np.array([1])}, "ax is a ndarray"),
    ],
)
def test_arguments_that_cannot_work_are_refused_before_anything_is_read(options, says):
    reader = vertices(score=[1.0]).to_reader()
    with pytest.raises(ConfigError, match=says):
        plot_result(reader, **options)
    assert len(reader.read_all()) == 1
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"path": [["a", "b"]]}),
        pa.table({"id": ["a"], "embedding": [[0.1, 0.2]]}),
        pa.table({"id": [1], "neighbor": [2]}),
        pa.table({"id1": [1], "id2": [2], "id3": [3]}),
        pa.table({"count": [3]}),
        pa.table({"width": [3], "depth": [1]}),
    ],
    ids=lambda table: table.column_names[-1],
)
def test_what_has_no_picture_says_what_has(table):
    with pytest.raises(ConfigError, match="no picture for the columns") as caught:
        plot_result(table)
    assert "scores, degrees, distances" in caught.value.hint


def test_a_column_that_cannot_be_written_is_no_obstacle():
    frame = pd.DataFrame({"id": ["a", "b"], "score": [0.5, 1.0]})
    plot_result(frame.assign(bin=pd.cut(frame["score"], 2)), column="score")


def test_what_is_no_table_is_refused():
    with pytest.raises(ConfigError, match="must be a table"):
        plot_result([1, 2])


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="matplotlib is not installed") as caught:
        plot_result(vertices(score=[1.0]))
    assert caught.value.hint.startswith("install the extra 'plot': pip install 'matplotlib")


def test_a_picture_of_a_real_graph_with_a_power_law(sandbox, explorer):
    workflow = sandbox.add_workflow("plot", Graph.power_law(2_000), {"degree": ("DegreeCentrality", {"step": 1})})
    job = explorer.run_workflow(workflow).wait(progress=False)
    ax = plot_result(job.tasks[0].read(schema="DegreeCentrality"))
    values, counts = curve(ax)
    assert (values[0], counts[0]) == (3, 2_000)  # each vertex brought three edges
    assert counts == sorted(counts, reverse=True)


def test_axes_of_another_projection_are_refused():
    figure = plt.figure()
    with pytest.raises(ConfigError, match="ax has polar axes"):
        plot_result(pd.DataFrame({"id": ["a"], "score": [1.0]}), ax=figure.add_subplot(projection="polar"))


def test_scores_that_are_lists_have_no_picture():
    with pytest.raises(ConfigError, match="no picture for the columns id, score"):
        plot_result(pa.table({"id": ["a"], "score": [[1.0]]}))


def test_a_history_is_drawn_one_run_at_a_time():
    frame = pd.DataFrame({"job_id": ["1", "2"], "end_time": pd.to_datetime(["2026-01-01"] * 2), "task_id": ["t"] * 2})
    frame = frame.assign(id=["a", "a"], score=[1.0, 2.0])
    with pytest.raises(ConfigError, match="the results of 2 runs"):
        plot_result(frame)
    assert plot_result(frame[frame["job_id"] == "2"]).get_ylabel() == "score"


def test_how_often_values_occur_is_said_at_the_axis():
    frame = pd.DataFrame({"id": list("abc"), "when": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-02"])})
    assert plot_result(frame, column="when", kind="rank").get_ylabel() == "rows with the same when"
