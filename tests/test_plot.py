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

from explorer_frames import compare, plot_result, read_sample_result_arrow
from explorer_frames._frames import to_pandas
from explorer_frames._plot import glyphs
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
    """Return the labels of the ticks that are within the picture."""
    low, high = sorted(axis.get_view_interval())
    labels = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
    texts = [label.get_text() for place, label in labels if low <= place <= high]
    return [text.removeprefix("$\\mathdefault{").removesuffix("}$") for text in texts]


def named(ax):
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def firsts(ax):
    """Return the first things that a corner names, with their numbers."""
    texts = named(ax)
    return [*zip(texts[: len(texts) // 2], texts[len(texts) // 2 :], strict=True)]


def said(ax):
    """Return the text within the picture."""
    return [text.get_text() for text in ax.texts]


def words(axis):
    return " ".join(axis.get_label_text().split())


def bars(ax):
    return [bar.get_height() for bar in ax.patches]


def curve(ax, place=0):
    line = ax.lines[place]
    return [[float(value) for value in values] for values in (line.get_xdata(orig=False), line.get_ydata())]


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
    assert named(ax) == ["v1", "v3", "v2", "v0", "1", "0.750", "0.500", "0.250"]
    assert ax.get_title(loc="left") == "PageRank\nworkflow 1003, job 107, 4 rows"


def test_scores_of_a_heavy_tail_have_logarithmic_axes_on_which_zeros_have_a_place():
    ax = plot_result(vertices(score=[0.0, 0.0, *(1000.0 / rank for rank in range(1, 51))]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "symlog")
    assert words(ax.xaxis) == "rank among the vertices, log scale (2 with score 0)"
    assert words(ax.yaxis) == "score, log scale"
    assert curve(ax)[1][-3:] == [20, 0, 0]
    assert {"1", "2", "5", "10", "20", "50"} <= set(ticks(ax.xaxis))
    assert ticks(ax.yaxis) == ["0", "10", "20", "50", "100", "200", "500", "1,000"]


def test_nearly_all_scores_are_zero():
    ax = plot_result(vertices(score=[0.0] * 970 + [10.0**-place for place in range(30)]))
    assert max(curve(ax)[0]) == 1000
    assert ticks(ax.yaxis)[:2] == ["0", "10^{-12}"]


@pytest.mark.parametrize(
    ("kind", "scores"),
    [
        ("top", [1.0, 0.0, 300.0]),
        ("rank", [0.0, 2.0, -3.0]),
        ("rank", [1.0, 2.0, 3.0]),
        ("distribution", [0.0, 0.0, 1.0]),
    ],
)
def test_a_scale_can_be_chosen_and_is_named(kind, scores):
    linear = plot_result(vertices(score=scores), kind=kind, scale="linear")
    assert {linear.get_xscale(), linear.get_yscale()} == {"linear"}
    assert "log" not in linear.get_xlabel() + linear.get_ylabel()
    log = plot_result(vertices(score=scores), kind=kind, scale="log")
    assert "log" in (log.get_yscale() if kind == "rank" else log.get_xscale())
    assert ", log scale" in words(log.yaxis if kind == "rank" else log.xaxis)
    seen(log)


def test_degrees_can_have_linear_axes():
    ax = plot_result(vertices(out_degree=[1, 3, 0], in_degree=[1, 0, 1]), scale="linear")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_bars_of_a_logarithmic_scale_are_points():
    ax = plot_result(vertices(score=[1.0, 0.0, 100.0]), kind="top", scale="log")
    assert curve(ax) == [[100, 1, 0], [0, 1, 2]]
    assert not ax.patches
    assert ticks(ax.yaxis) == ["v2", "v0", "v1"]


@pytest.mark.parametrize("heavy_first", [True, False])
def test_two_runs_that_share_an_axis_have_one_scale(heavy_first):
    _, axes = plt.subplots(1, 2, sharey=True, layout="constrained")
    runs = [vertices(score=[1000.0, *[1.0] * 30]), vertices(score=[3.0, *[2.0] * 30])]
    for run, ax in zip(runs if heavy_first else runs[::-1], axes, strict=True):
        plot_result(run, ax=ax)
    assert {ax.get_yscale() for ax in axes} == {"log" if heavy_first else "linear"}
    assert {words(ax.yaxis) for ax in axes} == {"score, log scale" if heavy_first else "score"}


def test_all_ticks_of_an_axis_are_written_in_one_way():
    ax = plot_result(vertices(score=[10.0**-place for place in range(8)]))
    assert ticks(ax.yaxis) == [f"10^{{{place}}}" for place in range(-7, 1)]
    ax = plot_result(vertices(score=[10.0**-place for place in range(3)] * 7))
    assert "0.01" in ticks(ax.yaxis)


def test_an_axis_of_ranks_begins_with_one():
    ax = plot_result(vertices(score=np.arange(20.0)))
    assert ticks(ax.xaxis)[0] == "1"


def test_top_is_a_bar_for_each_with_its_id_and_number():
    ax = plot_result(vertices(score=[0.25, 1.0, 0.5]), kind="top", top=2)
    assert ticks(ax.yaxis) == ["v1", "v2"]
    assert [bar.get_width() for bar in ax.patches] == [1.0, 0.5]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the largest is above
    assert said(ax) == ["1", "0.500"]
    assert ax.get_xlabel() == "score (the 2 largest of 3)"
    assert list(ax.get_xticks()) == []  # each bar has its number


def test_top_counts_those_that_share_the_last_number():
    tied = vertices(score=[5.0, 4.0, *[1.0] * 26, *[0.5] * 9])
    assert words(plot_result(tied, kind="top").xaxis) == "score (the 20 largest of 37; 18 of 26 that share 1)"
    assert words(plot_result(tied, kind="top", top=2).xaxis) == "score (the 2 largest of 37)"
    assert words(plot_result(tied, kind="top", top=1).xaxis) == "score (the largest of 37)"
    all_tied = vertices(score=[*[1.0] * 26, *[0.5] * 9])
    assert words(plot_result(all_tied, kind="top").xaxis) == "score (20 of 26 that share 1)"


def test_top_plot_shows_the_number_of_omitted_rows():
    scores = vertices(score=[1.0, 2.0, 3.0, np.nan, np.inf])
    assert plot_result(scores, kind="top").get_xlabel() == "score (2 without a finite number)"
    assert (
        plot_result(scores, kind="top", top=2).get_xlabel() == "score (the 2 largest of 5; 2 without a finite number)"
    )
    ax = plot_result(vertices(distance=[1.0, np.inf, np.nan]), kind="top")
    assert said(ax) == ["v0\ndistance: 1"]
    assert words(ax.xaxis) == "1 without a finite number; 1 not reached"


@pytest.mark.parametrize("kind", ["top", "rank"])
def test_plot_without_reachable_vertices_is_not_empty(kind):
    ax = plot_result(vertices(distance=[np.inf] * 4), kind=kind)
    assert said(ax) == ["no finite numbers"]
    assert ax.get_xlabel() == "4 not reached"


def test_few_communities_become_bars_of_their_sizes():
    ax = plot_result(vertices(community=["b", "a", "b", "c", "b", "a"]))
    assert ticks(ax.yaxis) == ["b", "a", "c"]
    assert [bar.get_width() for bar in ax.patches] == [3, 2, 1]
    assert ax.get_xlabel() == "vertices in the community"


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (vertices(community=[7, 7, 7]), "only one community: 7\nvertices in the community: 3"),
        (pa.table({"root": ["Valjean"], "visited": [77]}), "only one row: Valjean\nvertices reached: 77"),
        (vertices(core=[3] * 20_000), "all 20,000 vertices have the same core number: 3"),
        (vertices(score=[0.5, None, None]), "v0\nscore: 0.500"),
        (vertices(out_degree=pa.nulls(2, "int64"), in_degree=pa.nulls(2, "int64")), "no finite numbers"),
        (pa.table({"count": [467]}), "count: 467"),
        (known(vertices(score=[0.5]), algorithm="ClusteringCoefficient"), "the whole graph\nscore: 0.500"),
        (
            known(pa.table({"id": [7], "score": [0.5]}), algorithm="ClusteringCoefficient", complete=False),
            "only one row: 7\nscore: 0.500",
        ),
        (pa.table({"score": [0.5], "id": ["a"]}), "only one row: a\nscore: 0.500"),
        (pa.table({"score": [2.641148]}), "score: 2.64"),
        (pa.table({"width": [38], "depth": [3]}), "width: 38\ndepth: 3"),
    ],
    ids=lambda case: case.split("\n")[0] if isinstance(case, str) else "",
)
def test_empty_plot_shows_a_message(table, sentence):
    ax = plot_result(table if table.schema.metadata else known(table))
    assert said(ax) == [sentence]
    assert not ax.lines
    assert not ax.patches
    assert ax.figure.get_figheight() < 2
    assert ax.get_title(loc="left")
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01


def test_many_communities_become_a_rank_curve_of_their_sizes():
    labels = np.repeat(np.arange(100_000), np.arange(100_000) % 3 + 1)
    ax = plot_result(pa.table({"id": np.arange(len(labels)), "community": labels}))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rank among the communities", "vertices in the community")
    assert max(curve(ax)[0]) == 100_000
    assert len(curve(ax)[0]) <= 2_000
    assert firsts(ax) == [("33,333 communities share", "3")]


def test_plot_labels_top_vertices_and_counts_ties():
    ax = plot_result(vertices(score=[9.0, 8.0, *[5.0] * 12, 1.0]))
    assert firsts(ax) == [("v0", "9"), ("v1", "8"), ("12 vertices share", "5")]


def test_degrees_become_two_curves_of_in_and_out():
    ax = plot_result(vertices(both_degree=[2, 3, 1], out_degree=[1, 3, 0], in_degree=[1, 0, 1]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")
    assert named(ax) == ["out-degree", "in-degree"]
    assert curve(ax, 0) == [[0, 1, 3], [3, 2, 1]]
    assert curve(ax, 1) == [[0, 1], [3, 2]]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert words(ax.xaxis) == "out-degree and in-degree, log scale (1 with out-degree 0; 1 with in-degree 0)"
    assert words(ax.yaxis) == "vertices with at least this value, log scale"


def test_one_degree_can_be_chosen_and_ranked():
    table = vertices(both_degree=[2, 3], out_degree=[1, 3], in_degree=[1, 0])
    assert curve(plot_result(table, column="out_degree")) == [[1, 3], [2, 1]]
    assert plot_result(table, kind="rank").get_ylabel() == "total degree"
    assert firsts(plot_result(table, kind="rank", column="in_degree"))[0] == ("v0", "1")


@pytest.mark.parametrize("away", [np.inf, 2.0**63])
def test_distances_become_a_bar_each_and_one_for_what_is_not_reached(away):
    ax = plot_result(vertices(distance=[0.0, 1.0, 1.0, 3.0, away]))
    assert bars(ax) == [1, 2, 1, 1]
    assert ticks(ax.xaxis) == ["0", "1", "2", "3", "not\nreached"]
    assert [text.get_text() for text in ax.texts] == ["1", "2", "1", "1"]
    assert ax.get_xlabel() == "distance"


def test_distances_that_are_no_whole_numbers_become_a_histogram():
    distances = [*np.linspace(0.0, 9.5, 100), np.inf]
    ax = plot_result(vertices(distance=distances))
    assert sum(bars(ax)) == 100
    assert ax.get_xlabel().endswith("(1 not reached)")


def test_core_numbers_and_counts_become_bars():
    ax = plot_result(vertices(core=[1, 1, 2, 4]))
    assert bars(ax) == [2, 1, 1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("core number", "vertices")
    assert bars(plot_result(vertices(count=[5, 5, 4]))) == [1, 2]


def test_pairs_are_named_by_both_ids():
    table = pa.table({"id1": ["a", "a"], "id2": ["b", "c"], "score": [0.1, 0.2]})
    assert firsts(plot_result(table)) == [("a, c", "0.200"), ("a, b", "0.100")]


def test_histogram_includes_all_vertices():
    numbers = np.random.default_rng(0).normal(10, 1, 1000)
    ax = plot_result(vertices(score=numbers), kind="distribution")
    assert sum(bars(ax)) == 1000
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("score", "vertices")


def test_the_distribution_of_a_heavy_tail_is_a_curve():
    ax = plot_result(vertices(score=[0.0, 1.0, 1.0, 10.0, 100.0]), kind="distribution")
    assert curve(ax) == [[0, 1, 10, 100], [5, 4, 2, 1]]
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")


def test_custom_columns_are_plotted_by_type():
    table = pa.table({"vid": ["a", "b"], "importance": [0.5, 1.5], "group": ["x", "x"]})
    assert plot_result(table).get_ylabel() == "importance"
    assert firsts(plot_result(table))[0] == ("b", "1.50")
    assert said(plot_result(table, column="group")) == ["only one value: x\nrows with the same group: 2"]
    numbered = pa.table({"vid": [7, 8], "flow": pa.array([1, 2], pa.int64()), "kind": pa.array(["a", None])})
    assert bars(plot_result(numbered)) == [1, 1]
    categories = numbered.set_column(2, "kind", numbered["kind"].dictionary_encode())
    for data in (numbered, categories, numbered.to_pandas().astype({"kind": "category"})):
        assert ticks(plot_result(data, column="kind").yaxis) == ["a", "None"]


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_plots_are_equal_for_all_dtypes(backend):
    table = known(vertices(score=[0.25, None, 0.5]), complete=False)
    ax = plot_result(to_pandas(table, backend))
    assert curve(ax) == [[1, 2], [0.5, 0.25]]
    assert ax.get_xlabel() == "rank among the vertices (1 without a finite number)"
    assert ax.get_title(loc="left").endswith(", 3 rows, incomplete")


def test_other_tables_and_streams_are_taken():
    table = vertices(score=[0.25, 0.5])
    for data in (table.to_reader(), pl.from_arrow(table), table.to_pandas().set_index("id")):
        assert firsts(plot_result(data))[0] == ("v1", "0.500")


def test_a_part_of_a_result_may_be_incomplete():
    frame = to_pandas(known(vertices(score=[0.25, 0.5, 0.75])))
    assert "incomplete" not in plot_result(frame).get_title(loc="left")
    assert plot_result(frame.head(2)).get_title(loc="left").endswith(", 2 rows, changed after reading")
    assert plot_result(pd.DataFrame({"id": ["a"], "score": [1.0]})).get_title(loc="left") == ""


@pytest.mark.slow
def test_every_sandbox_result_has_a_plot_or_a_message(sandbox, explorer):
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
        "KCore subgraph kmin=2",
        "Query",
        "ShortestPath",
        "TriangleCount",
    }


KINDS = ["rank", "distribution", "top"]
FEW = [
    ([], "no rows"),
    ([np.nan, np.inf, -np.inf], "no finite numbers"),
    ([0.5], "only one row: v0\nscore: 0.500"),
    ([0.0] * 30, "all 30 vertices have the same score: 0"),
    ([1 / 77] * 77, "all 77 vertices have the same score: 0.0130"),
]
ODD = [
    [1.0 + number * 1e-8 for number in range(50)],
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
def test_special_numbers_are_plotted_or_reported(kind, scores, says):
    ax = plot_result(known(vertices(score=pa.array(scores, pa.float64()))), kind=kind)
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01
    assert (said(ax) == [says]) if says else (ax.lines or ax.patches)


IDS = [
    "诸葛亮",
    "$x_1$ \\alpha",
    "two\nlines",
    "_hidden",
    "https://example.org/people/" + "x" * 300 + "/42",
    "हिन्दी 🙂",
    "",
]


@pytest.fixture
def latin_fonts(monkeypatch):
    """Leave no fonts but those of matplotlib, and forget which were missed."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if font.name.startswith("DejaVu")])
    monkeypatch.setattr(glyphs, "_warned", set())
    manager._findfont_cached.cache_clear()
    yield
    manager._findfont_cached.cache_clear()


@pytest.mark.parametrize("kind", ["rank", "top"])
@pytest.mark.filterwarnings("ignore:no configured font")
def test_any_id_can_be_read(kind, latin_fonts):
    table = pa.table({"id": IDS, "$a_分$": [7.0, 6, 5, 4, 3, 2, 1]})
    ax = plot_result(known(table, task_name="分析 $x$ " * 40), kind=kind)
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01
    shown = ticks(ax.yaxis) if kind == "top" else [name for name, _ in firsts(ax)]
    assert shown[:5] == [
        r"\u8bf8\u845b\u4eae",
        "$x_1$ \\alpha",
        "two\\nlines",
        "_hidden",
        "https://examp…xxxxxxxxxxx/42",
    ]


def test_a_missing_font_is_named_once(latin_fonts):
    table = pa.table({"id": ["诸葛亮", "🙂"], "score": [2.0, 1.0]})
    with pytest.warns(UserWarning, match=r"no configured font .*'亮'.*fonts-noto-cjk") as caught:
        plot_result(table)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    plot_result(table)  # and no warning, which would be an error


def test_damaged_font_is_treated_as_missing(latin_fonts, tmp_path):
    path = tmp_path / "damaged.ttf"
    path.write_bytes(b"no font")
    font_manager.fontManager.ttflist.append(font_manager.FontEntry(fname=str(path), name="Noto Sans CJK SC"))
    seen(plot_result(pa.table({"id": ["a", "b"], "score": [2.0, 1.0]})))


def save_font(path, letter, family):
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    builder = FontBuilder(1000, isTTF=True)
    names = [".notdef", "letter"]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): "letter"})
    builder.setupGlyf({name: Glyph() for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


@pytest.mark.parametrize("family", ["Noto Sans CJK JP", "Ours"])
@pytest.mark.filterwarnings("ignore:no configured font")
def test_fallback_font_is_used_for_missing_glyphs(family, tmp_path, latin_fonts):
    save_font(tmp_path / "ours.ttf", "诸", family)
    font_manager.fontManager.addfont(tmp_path / "ours.ttf")
    with mpl.rc_context({"font.family": ["DejaVu Sans", "Ours"] if family == "Ours" else ["DejaVu Sans"]}):
        ax = plot_result(pa.table({"id": ["诸", "诸葛"], "score": [2.0, 1.0]}), kind="top")
        seen(ax)
    assert ticks(ax.yaxis) == ["诸", "诸\\u845b"]
    assert ax.get_yticklabels()[0].get_fontfamily()[-1] == family


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
def test_million_rows_are_reduced_to_visible_points():
    scores = np.random.default_rng(0).pareto(1.5, MANY) + 1e-9
    table = pa.table({"id": np.arange(MANY), "score": scores})
    for kind in ("rank", "distribution"):
        few, many = (steps_of(partial(drawn, some, kind)) for some in (table[: MANY // 100], table))
        assert many < few + MANY / 2  # a step of Python for each row would be more
        ranks = curve(plot_result(table, kind=kind))[0]
        assert 1_000 < len(ranks) <= 2_000
    assert named(plot_result(table))[0] == str(scores.argmax())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "pie"}, "kind must be 'rank', 'distribution', 'top' or 'flow', got 'pie'"),
        ({"kind": ["rank"]}, "kind must be"),
        ({"kind": "flow"}, "kind 'flow' requires a Comparison"),
        ({"scale": "ln"}, "scale must be 'linear' or 'log', got 'ln'"),
        ({"task": "PageRank"}, "requires a Job or a history"),
        ({"top": 0}, "top must be"),
        ({"top": True}, "top must be"),
        ({"top": "5"}, "top must be"),
        ({"column": "nope"}, "cannot plot column 'nope'"),
        ({"column": 1}, "cannot plot column '1'"),
        ({"ax": np.array([1])}, "got ndarray"),
    ],
)
def test_invalid_arguments_are_rejected_before_reading(options, says):
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
    ],
    ids=lambda table: table.column_names[-1],
)
def test_results_without_plot_are_rejected_with_a_hint(table):
    with pytest.raises(ConfigError, match="cannot choose a column to plot") as caught:
        plot_result(table)
    assert "numeric column" in caught.value.hint


def test_plot_ignores_unsupported_columns():
    frame = pd.DataFrame({"id": ["a", "b"], "score": [0.5, 1.0]})
    plot_result(frame.assign(bin=pd.cut(frame["score"], 2)), column="score")


def test_unsupported_table_type_is_rejected():
    with pytest.raises(ConfigError, match="must be a table"):
        plot_result([1, 2])


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="matplotlib is not installed") as caught:
        plot_result(vertices(score=[1.0]))
    assert caught.value.hint.startswith("install the extra 'plot': pip install 'matplotlib")


def test_power_law_graph_is_plotted(sandbox, explorer):
    workflow = sandbox.add_workflow("plot", Graph.power_law(2_000), {"degree": ("DegreeCentrality", {"step": 1})})
    job = explorer.run_workflow(workflow).wait(progress=False)
    ax = plot_result(job.tasks[0].read(schema="DegreeCentrality"))
    values, counts = curve(ax)
    assert (values[0], counts[0]) == (3, 2_000)  # each vertex brought three edges
    assert counts == sorted(counts, reverse=True)


def test_axes_of_another_projection_are_refused():
    figure = plt.figure()
    with pytest.raises(ConfigError, match="unsupported projection polar"):
        plot_result(pd.DataFrame({"id": ["a"], "score": [1.0]}), ax=figure.add_subplot(projection="polar"))


def test_list_columns_are_not_plotted():
    with pytest.raises(ConfigError, match=r"cannot choose a column to plot.*id, score"):
        plot_result(pa.table({"id": ["a"], "score": [[1.0]]}))


def test_axis_label_shows_the_number_of_occurrences():
    frame = pd.DataFrame({"id": list("abc"), "when": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-02"])})
    assert plot_result(frame, column="when", kind="rank").get_ylabel() == "rows with the same when"


def of_runs(many, /, **columns):
    """Make a history: of each column, values for each run."""
    runs = []
    for run in range(many):
        values = {name: per_run[run] for name, per_run in columns.items()}
        facts = {"job_id": str(run + 1), "task_id": f"t{run}", "task_name": "PageRank"}
        end_time = pd.Timestamp("2026-11-01", tz="UTC") + pd.Timedelta(days=run)
        runs.append(pd.DataFrame(values).assign(**facts, end_time=end_time.as_unit("ms")))
    return pd.concat(runs, ignore_index=True)


def test_a_history_is_a_line_over_the_runs_for_each_of_the_first():
    frame = of_runs(3, id=[["a", "b", "c"], ["b", "a"], ["a", "b", "c"]], score=[[3.0, 2, 1], [5, 4], [1, 3, 2]])
    ax = plot_result(frame, top=2)
    assert named(ax) == ["b", "c"]  # in the order of the last run
    assert curve(ax, 0)[1] == [2, 5, 3]
    np.testing.assert_equal(curve(ax, 1)[1], [1, np.nan, 2])
    assert np.diff(curve(ax)[0]).tolist() == [1, 1]  # days
    assert ticks(ax.xaxis) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    below = "end of the run, UTC (the 2 largest of the last run's 3)"
    assert (words(ax.xaxis), words(ax.yaxis)) == (below, "score")
    assert len({(line.get_color(), line.get_marker()) for line in ax.lines}) == 2
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01


def test_a_history_of_numbers_of_the_whole_graph_is_one_line():
    ax = plot_result(of_runs(3, count=[[4], [5], [7]]))
    assert curve(ax)[1] == [4, 5, 7]
    assert ax.get_ylabel() == "count"
    assert plot_result(of_runs(2, width=[[4], [5]], depth=[[1], [2]]), column="depth").get_ylabel() == "depth"
    ax = plot_result(of_runs(2, count=[[4, 8], [5]]))
    assert curve(ax)[1] == [4, 5]


def test_history_with_one_row_per_run_is_one_line_for_any_ids():
    ax = plot_result(of_runs(3, id=[["a"], ["b"], ["a"]], score=[[0.1], [0.2], [0.3]]))
    assert curve(ax)[1] == [0.1, 0.2, 0.3]


def test_each_of_many_lines_has_a_look_of_its_own():
    scores = np.linspace(1, 2, 100)
    frame = of_runs(2, id=[[f"v{place}" for place in range(100)]] * 2, score=[scores, scores])
    ax = plot_result(frame, top=100)
    assert words(ax.xaxis) == "end of the run, UTC (the 75 largest of the last run's 100)"
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in ax.lines}
    assert len(looks) == len(ax.lines) == len(named(ax)) == 75
    _, ax = plt.subplots(figsize=(4, 3), layout="constrained")
    plot_result(frame, top=20, ax=ax)
    assert len({(line.get_color(), line.get_marker()) for line in ax.lines}) == 20
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01


def test_a_history_of_communities_has_the_sizes_of_the_largest():
    frame = of_runs(2, id=[list("abcdef")] * 2, community=[list("xxxyyz"), list("ppqqqq")])
    ax = plot_result(frame)
    assert named(ax) == ["largest", "no. 2"]
    assert [curve(ax, place)[1] for place in (0, 1)] == [[3, 4], [2, 2]]


def test_runs_whose_time_is_unknown_or_the_same_are_in_order():
    frame = of_runs(2, count=[[4], [5]])
    start = frame["end_time"].iloc[0]
    for times in ([start, start], [start, start + pd.Timedelta("10ms")], [pd.NaT, pd.NaT]):
        ax = plot_result(frame.assign(end_time=pd.Series(times, dtype=frame["end_time"].dtype)))
        assert (ticks(ax.xaxis), ax.get_xlabel()) == (["1", "2"], "job")
    frame = of_runs(40, id=[["_a", "b"]] * 40, score=[[2.0, 1.0]] * 40).assign(end_time=frame["end_time"].iloc[0])
    ax = plot_result(frame)
    assert (len(ticks(ax.xaxis)), named(ax)) == (8, ["_a", "b"])


def test_history_without_numbers_shows_a_message():
    assert said(plot_result(of_runs(2, id=[["a"]] * 2, score=[[None]] * 2).astype({"score": float}))) == [
        "no finite numbers in the last run"
    ]


def test_run_columns_are_not_plotted():
    with pytest.raises(ConfigError, match="cannot plot column 'job_id'"):
        plot_result(of_runs(2, count=[[4], [5]]), column="job_id")


def test_runs_of_one_day_have_their_time_below_them():
    frame = of_runs(40, count=[[run] for run in range(40)])
    shown = ticks(plot_result(frame).xaxis)
    assert shown[0] == "2026-11-01"
    assert 3 <= len(shown) <= 6
    start = frame["end_time"].iloc[0]
    frame["end_time"] = start + (frame["end_time"] - start) / 1440
    assert ticks(plot_result(frame).xaxis)[:2] == ["00:00:00\n2026-11-01", "00:10:00\n2026-11-01"]


def test_one_run_of_a_history_is_drawn_as_its_result():
    frame = of_runs(2, id=[["a", "b"]] * 2, score=[[1.0, 2.0]] * 2)
    assert firsts(plot_result(frame[frame["job_id"] == "2"])) == [("b", "2"), ("a", "1")]
    with pytest.raises(ConfigError, match=r"kind 'rank' .*history"):
        plot_result(frame, kind="rank")


def test_a_history_of_several_tasks_needs_the_name_of_one():
    frame = of_runs(2, id=[["a", "b"]] * 2, score=[[1.0, 2.0]] * 2)
    both = pd.concat([frame, frame.assign(task_name="Closeness", task_id="other")])
    with pytest.raises(ConfigError, match="results of 2 tasks") as caught:
        plot_result(both)
    assert "task='PageRank'" in caught.value.hint
    assert named(plot_result(both, task="Closeness")) == ["b", "a"]
    assert named(plot_result(both, task="t1")) == ["b", "a", "2", "1"]
    with pytest.raises(ConfigError, match="no rows for task 'nope'"):
        plot_result(both, task="nope")


def test_two_tasks_of_one_name_need_the_id_of_one():
    frame = of_runs(2, id=[["a", "b"]] * 2, score=[[1.0, 2.0]] * 2)
    both = pd.concat([frame, frame.assign(task_id="other" + frame["job_id"], score=[4.0, 3.0] * 2)])
    for data, task in ((both, "PageRank"), (both, None), (both.drop(columns="task_name"), None)):
        with pytest.raises(ConfigError, match="job 1 has the results of 2 tasks") as caught:
            plot_result(data, task=task)
        assert "'t0', 'other1'." in caught.value.hint
    assert firsts(plot_result(both, task="other2")) == [("a", "4"), ("b", "3")]
    assert plt.get_fignums() == [1]


def lines_of(ax):
    return [[float(place) for place in line.get_ydata()] for line in ax.lines]


def sides(ax):
    """Return the names at the left and at the right edge."""
    (right,) = ax.child_axes
    top = ax.get_ylim()[1]
    return tuple(
        [name for _, name in sorted(zip(side.get_ticklocs(), labels, strict=True), key=lambda tick: abs(tick[0] - top))]
        for side, labels in ((ax.yaxis, ticks(ax.yaxis)), (right.yaxis, ticks(right.yaxis)))
    )


def test_a_comparison_is_a_line_from_rank_to_rank():
    before = pa.table({"id": list("abcd"), "score": [4.0, 3.0, 2.0, 1.0]})
    after = pa.table({"id": list("abde"), "score": [3.0, 4.0, 1.0, 2.0]})
    ax = plot_result(compare(known(before, job_id="1"), known(after, job_id="2"), top=3))
    left, right = sides(ax)
    assert left == ["a  1", "b  2", "c  3"]
    assert right == ["1  b", "2  a", "3  e"]
    assert lines_of(ax) == [[0, 1], [1, 0], [2], [2]]
    assert len({line.get_linestyle() for line in ax.lines[:2]}) == 2  # one climbs, one falls
    assert ticks(ax.xaxis) == ["a: job 1", "b: job 2"]
    assert ax.get_xlabel() == "rank by score"
    assert words_of_title(ax) == "PageRank 66.67% of the top 3 in common, 1 appeared, 1 vanished"
    assert sides(plot_result(compare(before, after), top=1))[0] == ["a  1", "b  2"]
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01


def words_of_title(ax):
    return " ".join(ax.get_title(loc="left").split())


def test_ties_of_a_comparison_are_counted():
    table = vertices(core=[3] * 500)
    ax = plot_result(compare(table, table))
    assert len(ax.lines) == 20
    assert ax.get_xlabel() == "rank by core number (480 more share these ranks)"


def test_the_flow_between_communities_is_drawn():
    before = pa.table({"id": list("abcdefgh"), "community": list("xxxxyyyz")})
    after = pa.table({"id": list("abcdefgi"), "community": list("ppprrrrr")})
    ax = plot_result(compare(known(before), known(after)))
    left, right = sides(ax)
    assert left == ["x  4", "y  3", "z  1"]
    assert right == ["3  p", "5  r"]
    assert named(ax) == ["6 stay", "1 move"]
    assert words_of_title(ax) == "PageRank 3 communities in a, 2 in b, 1 appeared, 1 vanished"
    assert ax.get_xlabel() == "vertices"
    low, high = seen(ax)
    assert low >= -0.01
    assert high <= 1.01


def test_small_communities_are_drawn_as_one():
    labels = np.repeat(np.arange(1_002), [5_000, 4_000, *[1] * 1_000])
    table = pa.table({"id": np.arange(len(labels)), "community": labels})
    assert sides(plot_result(compare(table, table))) == (
        ["0  5,000", "1  4,000", "1,000 others  1,000"],
        ["5,000  0", "4,000  1", "1,000  1,000 others"],
    )


def test_a_comparison_of_both_has_both_pictures():
    table = pa.table({"id": list("abc"), "community": list("xxy"), "score": [1.0, 2.0, 3.0]})
    found = compare(table, table)
    assert plot_result(found).get_xlabel() == "rank by score"
    assert plot_result(found, kind="flow").get_xlabel() == "vertices"


def test_comparison_of_empty_results_shows_a_message():
    table = pa.table(
        {"id": pa.array([], "string"), "community": pa.array([], "string"), "score": pa.array([], "double")}
    )
    assert said(plot_result(compare(table, table))) == ["no ranks"]
    assert said(plot_result(compare(table, table), kind="flow")) == ["no rows"]


def test_comparison_without_plot_is_rejected():
    scores = compare(vertices(score=[1.0]), vertices(score=[1.0]))
    edges = pa.table({"id": [1], "neighbor": [2]})
    for found, options, says in (
        (scores, {"kind": "flow"}, "kind 'flow' is not supported for this Comparison"),
        (scores, {"top": 11}, "top=11 exceeds the top=10 of this Comparison"),
        (scores, {"scale": "log"}, "task, column and scale are not supported for a Comparison"),
        (compare(edges, edges), {}, "neither ranks nor communities"),
    ):
        with pytest.raises(ConfigError, match=says):
            plot_result(found, **options)
    assert plt.get_fignums() == []


def test_colors_suit_the_background():
    faces = {}
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            faces[style] = plot_result(vertices(score=[3.0, 2.0]), kind="top").patches[0].get_facecolor()
    light, dark = (sum(face[:3]) for face in faces.values())
    assert light < 1.5 < dark
