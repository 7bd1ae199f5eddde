"""What changed between two results: every answer beside one that plain dicts give."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import FrozenInstanceError

import changes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from explorer_frames import compare
from explorer_frames.errors import ConfigError

NAMES = ["a", "b", "NA", "null", "", "007", "7", "nan", "é", "雪", "😀", "a\0b", "x" * 40]
NUMBERS = [0.0, -0.0, 1.0, 1.5, -2.0, 1e-300, 1e308, -1e308, math.inf, -math.inf, math.nan, None]
FEWER = settings(max_examples=settings.default.max_examples // 4)  # each of them makes some thirty frames
IDS = {"string": (st.sampled_from(NAMES) | st.text(max_size=3), pa.string()), "int64": (st.integers(-9, 9), pa.int64())}


def plain(value):
    """As dicts have it: pandas knows several ways to have no value."""
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value


def rows(frame):
    return [tuple(map(plain, row)) for row in frame.itertuples(index=False)]


STRING, DOUBLE = pa.string(), pa.float64()


def table(values, name, id_type=STRING, value_type=DOUBLE):
    """A result from a dict of values by id."""
    return pa.table([pa.array(list(values), id_type), pa.array(list(values.values()), value_type)], names=["id", name])


@st.composite
def pairs(draw, values):
    """Two dicts of values by id, of one type of ids."""
    keys, kind = IDS[draw(st.sampled_from([*IDS]))]
    one = st.dictionaries(keys, values, max_size=12)
    a = draw(one)
    kept = draw(st.permutations([*a]))[: draw(st.integers(0, len(a)))]  # so that both have some, in another order
    return a, {key: a[key] if draw(st.booleans()) else draw(values) for key in kept} | draw(one), kind


# --- scores


@FEWER
@given(pairs(st.sampled_from(NUMBERS) | st.floats(width=32)), st.integers(1, 5))
def test_scores_are_compared_as_dicts_are(given, top):
    a, b, kind = given
    found = compare(table(a, "score", kind), table(b, "score", kind), top=top)
    assert (found.rows_a, found.rows_b, found.common) == (len(a), len(b), len(a.keys() & b.keys()))
    assert found.appeared["id"].tolist() == [key for key in b if key not in a]
    assert found.vanished["id"].tolist() == [key for key in a if key not in b]
    ids = changes.changed(a, b)
    assert found.changed["id"].tolist() == ids
    assert found.same == (not ids and a.keys() == b.keys())
    ranks_a, ranks_b = changes.ranks(a), changes.ranks(b)
    assert found.changed["rank_a"].tolist() == [ranks_a[key] for key in ids]
    assert found.changed["rank_b"].tolist() == [ranks_b[key] for key in ids]
    assert found.changed["rank_shift"].tolist() == [ranks_a[key] - ranks_b[key] for key in ids]
    for key, before, after, delta in zip(
        *(found.changed[name] for name in ("id", "score_a", "score_b", "score_delta")), strict=True
    ):
        assert changes.same_number(before, a[key])
        assert changes.same_number(after, b[key])
        expected = math.nan if changes.missing(before) or changes.missing(after) else after - before
        assert changes.same_number(delta, expected)
    assert found.top_overlap == changes.top_overlap(a, b, top)
    assert found.rank_correlation == pytest.approx(changes.spearman(a, b), nan_ok=True)


@FEWER
@given(pairs(st.integers(-5, 5)))
def test_counts_are_compared_as_whole_numbers(given):
    a, b, kind = given
    found = compare(table(a, "core", kind, pa.int64()), table(b, "core", kind, pa.int32()))
    assert rows(found.changed[["id", "core_a", "core_b", "core_delta"]]) == [
        (key, a[key], b[key], b[key] - a[key]) for key in changes.changed(a, b)
    ]
    assert str(found.changed["core_delta"].dtype) == "int64"
    apart = [abs(b[key] - a[key]) for key in a if key in b]
    assert found.deltas.loc["core", "max_abs_delta"] == max(apart, default=0)
    assert found.deltas.loc["core", "mean_abs_delta"] == pytest.approx(sum(apart) / len(apart) if apart else 0)


@FEWER
@given(
    st.sampled_from(NUMBERS[:-1]) | st.floats(),
    st.sampled_from(NUMBERS[:-1]) | st.floats(),
    st.sampled_from([0, 1e-9, 0.5, 1, 3]),
    st.sampled_from([0, 1e-6, 1, 1e300]),
)
def test_tolerance_is_that_of_math_isclose(a, b, rel_tol, abs_tol):
    close = math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol) or (math.isnan(a) and math.isnan(b))
    found = compare(table({"x": a}, "score"), table({"x": b}, "score"), rel_tol=rel_tol, abs_tol=abs_tol)
    assert found.same == close


def test_the_last_digit_of_a_score_may_be_tolerated_and_deltas_stay_as_they_are():
    a, b = table({"x": 0.150000, "y": 2.0}, "score"), table({"x": 0.150001, "y": 2.0}, "score")
    assert compare(a, b).changed["id"].tolist() == ["x"]
    for tolerance in ({"abs_tol": 2e-6}, {"rel_tol": 1e-5}):
        found = compare(a, b, **tolerance)
        assert found.same
        assert found.deltas.loc["score", "max_abs_delta"] == pytest.approx(1e-6)


def test_a_number_that_is_lost_has_changed_and_missing_whole_numbers_stay_whole():
    a = pd.DataFrame({"id": ["x", "y", "z"], "count": pd.array([2**53 + 1, None, 5], "Int64")})
    b = pd.DataFrame({"id": ["x", "y", "z"], "count": pd.array([2**53 + 2, None, None], "Int64")})
    found = compare(a, b)
    assert rows(found.changed) == [("x", 2**53 + 1, 2**53 + 2, 1, 1, 1, 0), ("z", 5, None, None, 2, 2, 0)]
    assert [str(found.changed[name].dtype) for name in ("count_b", "count_delta")] == ["Int64", "Int64"]
    assert found.to_dict()["count_max_abs_delta"] == 1


def test_whole_numbers_that_are_too_far_apart_are_refused():
    a, b = (table({"x": value}, "count", value_type=pa.int64()) for value in (-(2**62), 2**62 + 2**61))
    with pytest.raises(ConfigError, match=r"column count.*overflow"):
        compare(a, b)
    least, most = (table({"x": value}, "count", value_type=pa.int64()) for value in (-(2**63), -1))
    assert compare(least, most).changed["count_delta"].tolist() == [2**63 - 1]
    assert compare(most, least).changed["count_delta"].tolist() == [1 - 2**63]


def test_no_difference_is_too_large_where_a_number_is_missing():
    a, b = (table({"x": value}, "count", value_type=pa.int64()) for value in (-(2**63), None))
    assert rows(compare(a, b).changed) == [("x", -(2**63), None, None, 1, 1, 0)]
    assert rows(compare(b, a).changed) == [("x", None, -(2**63), None, 1, 1, 0)]


def test_distances_are_ranked_ascending_and_modularity_is_not_ranked():
    near = table({"x": 0.0, "y": 1.0, "z": math.inf}, "distance")
    found = compare(near, table({"x": 3.0, "y": 1.0, "z": math.inf}, "distance"), top=1)
    assert rows(found.changed[["id", "rank_a", "rank_b", "rank_shift"]]) == [("x", 1, 2, -1)]
    assert found.top_overlap == 0
    louvain = pa.table({"id": ["x"], "community": ["x"], "modularity": [0.4]})
    assert compare(louvain, louvain).ranked_by is None
    assert "top_overlap" not in compare(louvain, louvain).to_dict()


def test_ties_for_the_last_rank_are_included_in_top():
    a = table({"a": 9.0, "b": 5.0, "c": 5.0, "d": 5.0, "e": 1.0}, "score")
    b = table({"a": 9.0, "b": 5.0, "c": 4.0, "d": 3.0, "e": 1.0}, "score")
    assert compare(a, b, top=2).top_overlap == 0.5  # {a, b, c, d} and {a, b}
    assert compare(a, a, top=2).top_overlap == 1


def test_the_first_of_either_are_in_the_top_ranks():
    before = table({"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0, "e": None}, "score")
    after = table({"d": 9.0, "new": 8.0, "a": 4.0, "b": None, "e": 1.0}, "score")
    found = compare(before, after, top=2).top_ranks
    assert found.columns.tolist() == ["id", "rank_a", "rank_b"]
    assert rows(found) == [("a", 1, 3), ("d", 4, 1), ("b", 2, None), ("new", None, 2)]
    labels = table({"a": "x"}, "community", value_type=STRING)
    assert compare(labels, labels).top_ranks.columns.tolist() == ["id"]


def test_each_column_of_values_is_compared_and_the_first_one_ranks():
    names = ["both_degree", "out_degree", "in_degree"]
    a = pd.DataFrame({"id": [1, 2, 3], "both_degree": [5, 3, 2], "out_degree": [2, 2, 1], "in_degree": [3, 1, 1]})
    b = a.assign(both_degree=[5, 6, 2], in_degree=[3, 1, 2])
    found = compare(a, b)
    ids = [f"{name}_{which}" for name in names for which in ("a", "b", "delta")]
    assert found.changed.columns.tolist() == ["id", *ids, "rank_a", "rank_b", "rank_shift"]
    assert rows(found.changed) == [(2, 3, 6, 3, 2, 2, 0, 1, 1, 0, 2, 1, 1), (3, 2, 2, 0, 1, 1, 0, 1, 2, 1, 3, 3, 0)]
    assert found.deltas["changed"].to_dict() == {"both_degree": 1, "out_degree": 0, "in_degree": 1}
    assert found.ranked_by == "both_degree"


def test_text_and_truth_are_equal_or_not():
    a = pa.table({"id": ["x", "y", "z"], "name": ["Ann", None, "Cy"], "seen": [True, None, False]})
    b = pa.table({"id": ["z", "y", "x"], "name": ["Cy", None, None], "seen": [True, None, True]})
    found = compare(a, b)
    assert rows(found.changed) == [("x", "Ann", None, True, True), ("z", "Cy", "Cy", False, True)]
    assert found.to_dict() == {
        "same": False, "rows_a": 3, "rows_b": 3, "common": 3, "appeared": 0, "vanished": 0, "changed": 2,
        "name_changed": 1, "seen_changed": 1,
    }  # fmt: skip


# --- what tells rows apart


def test_rows_of_pairs_are_matched_by_both_ids():
    a = pa.table({"id1": ["x", "x", "y"], "id2": ["y", "z", "x"], "distance": [1.0, 2.0, 1.0]})
    b = pa.table({"id1": ["y", "x", "z"], "id2": ["x", "z", "x"], "distance": [1.0, 3.0, 2.0]})
    found = compare(a, b)
    assert rows(found.appeared) == [("z", "x", 2.0)]
    assert rows(found.vanished) == [("x", "y", 1.0)]
    assert rows(found.changed[["id1", "id2", "distance_delta"]]) == [("x", "z", 1.0)]


@FEWER
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3)), st.lists(st.tuples(*[st.integers(0, 4)] * 3)))
def test_triangles_are_sets_whichever_vertex_comes_first(a, b):
    first, second = (
        pa.table([pa.array([t[n] for t in side], pa.int64()) for n in range(3)], names=["id1", "id2", "id3"])
        for side in (a, b)
    )
    found = compare(first, second)
    in_a, in_b = ({tuple(sorted(t)) for t in side} for side in (a, b))
    assert (found.rows_a, found.rows_b, found.common) == (len(in_a), len(in_b), len(in_a & in_b))
    assert {tuple(sorted(row)) for row in rows(found.appeared)} == in_b - in_a
    assert {tuple(sorted(row)) for row in rows(found.vanished)} == in_a - in_b
    assert found.same == (in_a == in_b)


@FEWER
@given(*[st.lists(st.lists(st.sampled_from(["x", "y", "xy", "", "1"]), max_size=4))] * 2)
def test_paths_are_a_set_of_rows(a, b):
    first, second = (pa.table({"path": pa.array(side, pa.list_(pa.string()))}) for side in (a, b))
    found = compare(first, second)
    in_a, in_b = ({tuple(path) for path in side} for side in (a, b))
    assert found.common == len(in_a & in_b)
    assert {tuple(path) for path in found.appeared["path"]} == in_b - in_a
    assert {tuple(path) for path in found.vanished["path"]} == in_a - in_b


def test_edges_of_a_k_core_are_a_set_and_each_direction_is_one():
    a = pa.table({"id": [1, 2, 1], "neighbor": [2, 1, 2]})
    b = pa.table({"id": [2, 2], "neighbor": [1, 3]})
    found = compare(a, b)
    assert (rows(found.appeared), rows(found.vanished), found.common) == ([(2, 3)], [(1, 2)], 1)
    assert found.changed.columns.tolist() == ["id", "neighbor"]


def test_columns_other_than_ids_are_values():
    a = pd.DataFrame({"id": ["x", "y"], "path": ["/a", "/b"], "score": [1.0, 2.0]})
    found = compare(a, a.assign(path=["/a", "/c"]))
    assert rows(found.changed[["id", "path_a", "path_b"]]) == [("y", "/b", "/c")]
    assert found.to_dict()["appeared"] == found.to_dict()["vanished"] == 0
    for name in ("root", "id1", "id3"):
        other = a.rename(columns={"path": name})
        assert compare(other, other.assign(**{name: ["/a", "/c"]})).changed["id"].tolist() == ["y"]
    pairs = pd.DataFrame({"id1": ["x", "x"], "id2": ["y", "z"], "path": ["/a", "/b"]})
    assert compare(pairs, pairs.assign(path=["/a", "/c"])).changed["id2"].tolist() == ["z"]
    missing = a.assign(path=["/a", None])
    assert compare(a, missing).changed["id"].tolist() == ["y"]  # no id is missing


def test_single_id_of_a_pair_does_not_identify_rows():
    half = pd.DataFrame({"id1": ["x", "y"], "score": [1.0, 2.0]})
    with pytest.raises(ConfigError, match=r"2 rows without an id column.*'id1', 'score'"):
        compare(half, half)


def test_results_without_ids_compare_if_they_are_one_row():
    found = compare(pa.table({"width": [4], "depth": [3]}), pa.table({"width": [4], "depth": [5]}))
    assert rows(found.changed) == [(4, 4, 0, 3, 5, 2)]
    assert found.ranked_by is None
    many = pa.table({"width": [4, 4], "depth": [3, 3]})
    with pytest.raises(
        ConfigError,
        match=r"2 rows without an id column.*'width', 'depth' \[b\]\n.*`id`",
    ):
        compare(pa.table({"width": [4], "depth": [3]}), many)


# --- communities


@FEWER
@given(pairs(st.sampled_from("pqrs")))
def test_communities_are_compared_as_sets_are(given):
    a, b, kind = given
    found = compare(table(a, "community", kind, pa.string()), table(b, "community", kind, pa.string()))
    expected = changes.Divisions(a, b)
    assert rows(found.moved) == expected.moved
    labels = found.labels[["label_a", "label_b", "overlap", "jaccard"]]
    assert set(rows(labels)) == expected.labels
    assert {(i, j) for i, j, jaccard in expected.shared if jaccard > 0.5} <= {(i, j) for i, j, *_ in expected.labels}
    for name in ("merges", "splits"):
        assert set(rows(getattr(found, name)[["from_a", "to_b", "vertices"]])) == getattr(expected, name)
    assert set(found.gone["label_a"]) == expected.gone
    assert set(found.born["label_b"]) == expected.born
    assert (found.communities_a, found.communities_b) == (len(set(a.values())), len(set(b.values())))
    assert found.adjusted_rand == pytest.approx(expected.adjusted_rand, nan_ok=True)
    assert found.same == (a.keys() == b.keys() and not expected.moved)


@FEWER
@given(pairs(st.integers(0, 5)), st.randoms())
def test_neither_names_nor_the_order_of_rows_are_a_change(given, random):
    a, b, kind = given
    names = random.sample(range(100, 200), 6)
    renamed = {key: names[label] for key, label in random.sample([*a.items()], len(a))}
    same = compare(table(a, "community", kind, pa.int64()), table(renamed, "community", kind, pa.int64()))
    assert same.same
    assert same.renamed == len(set(a.values()))
    assert same.adjusted_rand == 1 or (len(a) == 1 and math.isnan(same.adjusted_rand))
    shuffled = [dict(random.sample([*side.items()], len(side))) for side in (a, b)]
    first, second = (
        compare(*(table(side, "community", kind, pa.int64()) for side in sides)) for sides in ((a, b), shuffled)
    )
    assert first.to_dict() == second.to_dict()
    assert sorted(rows(first.moved), key=str) == sorted(rows(second.moved), key=str)
    for name in ("labels", "merges", "splits", "born", "gone"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


@pytest.fixture(scope="module")
def planted():
    """20,000 vertices in communities of 10 and more; 1 % of them elsewhere, all labels others, all rows in another order."""
    random = np.random.default_rng(20261126)
    count, communities = 20_000, 400
    sizes = 10 + random.multinomial(count - 10 * communities, random.dirichlet(np.ones(communities)))
    before = np.repeat(np.arange(communities), sizes)
    after = before.copy()
    movers = random.choice(count, count // 100, replace=False)
    after[movers] = (before[movers] + random.integers(1, communities, len(movers))) % communities
    ids = np.array([f"player{number}" for number in range(count)])
    names, order = ids[random.permutation(communities)], random.permutation(count)
    a = pa.table({"id": ids, "community": ids[before]})
    b = pa.table({"id": ids[order], "community": names[after][order]})
    return a, b, ids[np.sort(movers)].tolist(), dict(zip(ids[: len(names)].tolist(), names.tolist(), strict=True))


def test_moved_vertices_are_found_exactly(planted):
    a, b, movers, names = planted
    found = compare(a, b)
    assert found.moved["id"].tolist() == movers
    assert set(found.moved["kind"]) == {"move"}
    assert dict(zip(found.labels["label_a"], found.labels["label_b"], strict=True)) == names
    assert all(names[row.from_a] == row.from_b and names[row.to_a] == row.to_b for row in found.moved.itertuples())
    assert not any(map(len, (found.merges, found.splits, found.born, found.gone, found.changed)))


def test_vertices_that_come_and_go_do_not_hide_those_that_move(planted):
    a, b, movers, _ = planted
    stay = np.random.default_rng(1).random(len(a)) < 0.7
    gone = set(a["id"].filter(pa.array(~stay)).to_pylist())
    new = pa.table({"id": [f"new{n}" for n in range(5000)], "community": ["player1"] * 3000 + ["of the new"] * 2000})
    found = compare(a, pa.concat_tables([b.filter(pa.array([one not in gone for one in b["id"].to_pylist()])), new]))
    assert found.moved["id"].tolist() == [one for one in movers if one not in gone]
    assert (len(found.vanished), len(found.appeared)) == (len(gone), 5000)
    assert rows(found.born) == [("of the new", 2000)]


def labeled(**sizes):
    """A division: how many vertices have which label, by groups that stay together."""
    return pd.DataFrame(
        {"id": range(sum(sizes.values())), "community": [name for name, size in sizes.items() for _ in range(size)]}
    )


def test_a_split_is_one_split_and_its_vertices_are_in_moved():
    a = labeled(A=100, B=50)
    b = a.assign(community=["p"] * 60 + ["q"] * 40 + ["r"] * 50)
    found = compare(a, b)
    assert rows(found.splits) == [("A", None, "p", "q", 40, 100, 40)]
    assert rows(found.labels) == [("A", "p", 100, 60, 60, 0.6), ("B", "r", 50, 50, 50, 1.0)]
    assert found.moved["id"].tolist() == list(range(60, 100))
    assert set(rows(found.moved.drop(columns="id"))) == {("A", None, "p", "q", "split")}
    assert not any(map(len, (found.merges, found.born, found.gone)))
    assert "2 matched (2 renamed); 0 merges, 1 split, 0 born, 0 gone" in str(found)
    assert "vertices moved: 40 (40 by splits)" in str(found)


def test_a_merge_is_one_merge_and_back_again_a_split():
    a = labeled(A=60, B=40, C=30)
    b = a.assign(community=["p"] * 100 + ["q"] * 30)
    found, back = compare(a, b), compare(b, a)
    assert rows(found.merges) == [("B", "A", None, "p", 40, 40, 100)]
    assert set(rows(found.moved.drop(columns="id"))) == {("B", "A", None, "p", "merge")}
    assert rows(back.splits) == [("p", None, "A", "B", 40, 100, 40)]
    assert back.moved["id"].tolist() == found.moved["id"].tolist() == list(range(60, 100))
    assert not any(map(len, (found.splits, found.born, found.gone, back.merges, back.born, back.gone)))


def test_community_is_merged_if_most_members_move():
    a = labeled(A=100, C=200)
    found = compare(a, a.assign(community=["C"] * 99 + ["A"] + ["C"] * 200))
    assert rows(found.merges) == [("A", "C", "A", "C", 99, 100, 299)]
    assert rows(found.labels[["label_a", "label_b", "overlap"]]) == [("C", "C", 200), ("A", "A", 1)]


def test_scattered_communities_are_born_or_gone():
    a = labeled(A=30, B=30, C=30, D=9)
    b = a.assign(
        community=["A"] * 25
        + ["X"] * 5
        + ["B"] * 25
        + ["X"] * 5
        + ["C"] * 25
        + ["X"] * 5
        + ["A"] * 3
        + ["B"] * 3
        + ["C"] * 3
    )
    found = compare(a, b)
    assert rows(found.born) == [("X", 15)]
    assert rows(found.gone) == [("D", 9)]
    assert set(found.moved["kind"]) == {"move"}
    assert len(found.moved) == 24
    assert not any(map(len, (found.merges, found.splits)))


def test_tied_community_matches_are_deterministic():
    ids = list(range(1000))
    a = pa.table({"id": ids, "community": [n // 2 for n in ids]})
    b = pa.table({"id": ids, "community": [(n + 1) // 2 % 500 for n in ids]})
    found = compare(a, b)
    assert found.labels["label_a"].tolist() == found.labels["label_b"].tolist() == list(range(500))
    assert found.moved["id"].tolist() == ids[1::2]


def test_labels_of_whole_numbers_that_are_missing_stay_whole():
    found = compare(labeled(A=3).assign(community=2**53 + 1), labeled(A=3).assign(community=[2**53 + 1] * 2 + [7]))
    assert rows(found.moved) == [(2, 2**53 + 1, None, 2**53 + 1, 7, "split")]
    assert [str(found.moved[name].dtype) for name in ("from_a", "to_a", "from_b", "to_b")] == [
        "int64",
        "Int64",
        "Int64",
        "int64",
    ]
    empty = compare(labeled(A=3).assign(community=1), labeled(A=3).assign(community=2)).moved
    assert (empty.dtypes == found.moved.dtypes).all()


def test_results_of_three_columns_have_scores_and_communities():
    a = pd.DataFrame({"id": list("wxyz"), "score": [4.0, 3.0, 2.0, 1.0], "community": list("wwyy")})
    b = pd.DataFrame({"id": list("wxyz"), "score": [4.0, 3.5, 2.0, 1.0], "community": list("kkkm")})
    found = compare(a, b)
    assert found.changed.columns.tolist() == [
        "id",
        "score_a",
        "score_b",
        "score_delta",
        "rank_a",
        "rank_b",
        "rank_shift",
    ]
    assert found.changed["id"].tolist() == ["x"]
    assert found.moved["id"].tolist() == ["y"]
    assert found.to_dict().keys() >= {"score_changed", "top_overlap", "moved", "adjusted_rand"}
    assert not found.same


def test_results_without_common_pairs_have_no_agreement():
    apart = compare(labeled(A=3), labeled(A=3).assign(id=[7, 8, 9]))
    assert math.isnan(apart.adjusted_rand)
    assert math.isnan(apart.to_dict()["adjusted_rand"])
    assert "adjusted Rand index undefined" in str(apart)
    assert compare(labeled(), labeled()).adjusted_rand == 1


# --- the record


def test_comparison_has_readable_text_and_stable_attributes():
    a = pd.DataFrame({"id": list("wxyz"), "score": [4.0, 3.0, 2.0, 1.0], "community": list("wwyy")})
    b = pd.DataFrame({"id": list("vwxy"), "score": [9.0, 4.0, 3.5, 2.0], "community": list("kkkm")})
    found = compare(a, b, top=3)
    assert str(found) == (
        "1 appeared, 1 vanished, 1 changed\n"
        "rows: 4 in a, 4 in b, 3 in both\n"
        "score: 1 changed, max delta 0.5, mean delta 0.166667\n"
        "ranks by score: 66.67% of the top 3 in common, correlation 1\n"
        "communities: 2 in a, 2 in b, 2 matched (2 renamed); 0 merges, 0 splits, 0 born, 0 gone\n"
        "vertices moved: 0; adjusted Rand index 1"
    )
    assert repr(found) == "<Comparison: 1 appeared, 1 vanished, 1 changed>"
    assert found._repr_html_().startswith("<div><strong>1 appeared, 1 vanished, 1 changed</strong><br>rows: 4 in a")
    assert repr(compare(a, a)) == "<Comparison: no change>"
    renamed = compare(a, a.assign(community=list("yyww")))
    assert repr(renamed) == "<Comparison: no change; 2 of 2 communities renamed>"
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert {type(value) for value in found.to_dict().values()} == {bool, int, float}
    with pytest.raises(FrozenInstanceError):
        found.rows_a = 5
    for twin in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert str(twin) == str(found)
        pd.testing.assert_frame_equal(twin.changed, found.changed)


def test_column_names_are_escaped_in_terminals_and_html():
    ring = pd.DataFrame({"id": ["x"], "雪\a\n": [1.0]})
    assert "\nranks by 雪\\x07\\n: 100% of" in str(compare(ring, ring))
    evil = "<script>"
    frame = pd.DataFrame({"id": ["x"], evil: [1.0]})
    assert evil in str(compare(frame, frame))
    assert evil not in compare(frame, frame)._repr_html_()


@pytest.mark.parametrize("name", ["score", "community"])
def test_empty_results_compare_and_all_frames_have_their_columns(name):
    kind = pa.string() if name == "community" else pa.float64()
    none, one = (
        table({}, name, value_type=kind),
        table({"x": "x" if name == "community" else 1.0}, name, value_type=kind),
    )
    empty = compare(none, none)
    assert empty.same
    assert empty.rows_a == empty.rows_b == empty.common == 0
    assert empty.top_overlap in (1.0, None)
    appeared, vanished, same = compare(none, one), compare(one, none), compare(one, one)
    assert (rows(appeared.appeared), rows(vanished.vanished)) == ([tuple(one.to_pylist()[0].values())],) * 2
    assert same.same
    for frame in ("appeared", "vanished", "changed", "moved", "merges", "splits", "born", "gone", "labels", "deltas"):
        dtypes = [getattr(found, frame).dtypes.to_dict() for found in (empty, appeared, vanished, same)]
        assert dtypes[0] == dtypes[1] == dtypes[2] == dtypes[3], frame
    for found in (empty, appeared, vanished, same):
        assert str(found)


def test_comparison_has_no_truth_value():
    frame = pd.DataFrame({"id": ["a", "b"], "score": [1.0, 1.0]})
    found = compare(frame, frame)
    with pytest.raises(TypeError, match=r"use \.same"):
        bool(found)
    assert "correlation undefined" in str(found)
