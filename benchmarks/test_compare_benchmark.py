"""Compare two results with `compare` and with pandas code.

The pandas code does less. It does not find merges, splits or missing rows, does not reject duplicate ids, and does not
read the provenance. `compare` also builds frames that this benchmark does not use. Ids have up to 13 characters. The
rows of the later result are in another order.

    pytest benchmarks/test_compare_benchmark.py --benchmark-only --rows 1000000
"""

from __future__ import annotations

import timeit

import numpy as np
import pandas as pd
import pytest

from explorer_frames import compare


def made(rows):
    """Return two results of the same vertices.

    Scores differ by about 1 %. Communities are renamed, and 1 % of the vertices move to another community.
    """
    random = np.random.default_rng(4)
    ids = np.array([f"player{number}" for number in range(rows)], dtype=object)
    order = random.permutation(rows)
    scores = random.pareto(1.5, rows)
    later = scores * random.normal(1, 0.01, rows)
    communities = max(rows // 50, 2)
    labels = random.integers(0, communities, rows)
    after, movers = labels.copy(), random.choice(rows, rows // 100, replace=False)
    after[movers] = (labels[movers] + random.integers(1, communities, len(movers))) % communities
    names = ids[random.permutation(communities)]
    a = pd.DataFrame({"id": ids, "score": scores, "community": ids[labels]})
    b = pd.DataFrame({"id": ids, "score": later, "community": names[after]}).iloc[order].reset_index(drop=True)
    return {kind: (a[["id", kind]], b[["id", kind]]) for kind in ("score", "community")}


@pytest.fixture(scope="module")
def results(rows):
    return made(rows)


def pandas_scores(a, b):
    """Compare scores with an outer merge, ranks, the top 10 and the rank correlation."""
    a = a.assign(rank=a["score"].rank(method="min", ascending=False))
    b = b.assign(rank=b["score"].rank(method="min", ascending=False))
    both = a.merge(b, on="id", how="outer", suffixes=("_a", "_b"), indicator=True)
    common = both[both["_merge"] == "both"]
    changed = common[common["score_a"] != common["score_b"]]
    changed = changed.assign(score_delta=changed["score_b"] - changed["score_a"])
    overlap = ((common["rank_a"] <= 10) & (common["rank_b"] <= 10)).sum() / 10
    return len(changed), changed["score_delta"].abs().max(), overlap, common["rank_a"].corr(common["rank_b"])


def our_scores(a, b):
    found = compare(a, b)
    return len(found.changed), found.changed["score_delta"].abs().max(), found.top_overlap, found.rank_correlation


def pandas_communities(a, b):
    """Compare communities with a merge and a greedy matching of labels."""
    both = a.merge(b, on="id", suffixes=("_a", "_b"))
    pairs = both.groupby(["community_a", "community_b"]).size().rename("n").reset_index()
    sizes_a, sizes_b = both["community_a"].value_counts(), both["community_b"].value_counts()
    union = pairs["community_a"].map(sizes_a) + pairs["community_b"].map(sizes_b) - pairs["n"]
    pairs = pairs.assign(jaccard=pairs["n"] / union).sort_values(["jaccard", "n"], ascending=False)
    match, taken = {}, set()
    for one, other in zip(pairs["community_a"], pairs["community_b"], strict=True):
        if one not in match and other not in taken:
            match[one] = other
            taken.add(other)
    return sorted(both.loc[both["community_a"].map(match) != both["community_b"], "id"])


def our_communities(a, b):
    return sorted(compare(a, b).moved["id"])


SCORES = {"explorer_frames": our_scores, "pandas": pandas_scores}
COMMUNITIES = {"explorer_frames": our_communities, "pandas": pandas_communities}


@pytest.mark.parametrize("way", SCORES)
@pytest.mark.benchmark(group="compare scores")
def test_compare_scores(benchmark, results, way):
    ours, theirs = (run(*results["score"]) for run in SCORES.values())
    assert ours == pytest.approx(theirs)
    benchmark.pedantic(SCORES[way], results["score"], rounds=3)


@pytest.mark.parametrize("way", COMMUNITIES)
@pytest.mark.benchmark(group="compare communities")
def test_compare_communities(benchmark, results, way):
    ours, theirs = (run(*results["community"]) for run in COMMUNITIES.values())
    assert ours == theirs
    benchmark.pedantic(COMMUNITIES[way], results["community"], rounds=3)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "ways"), [("score", SCORES), ("community", COMMUNITIES)])
def test_compare_is_not_slower_than_what_one_would_write(kind, ways):
    given = made(300_000)[kind]
    turns = [[timeit.timeit(lambda run=run: run(*given), number=1) for run in ways.values()] for _ in range(5)]
    ours, theirs = map(min, zip(*turns, strict=True))
    assert ours <= 1.25 * theirs  # margin for a busy machine
