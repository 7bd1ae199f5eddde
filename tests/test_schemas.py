from __future__ import annotations

import pyarrow as pa
import pytest
from cases import each

from explorer_frames import schemas
from explorer_frames.errors import ConfigError, RowShapeError

VID, INT, DOUBLE = "string", "int64", "double"
# The table of the published API, row by row: (name, {width: types}).
DOCUMENTED = {
    "PageRank": {2: [VID, DOUBLE]},
    "BetweennessCentrality": {2: [VID, DOUBLE]},
    "ClosenessCentrality": {2: [VID, DOUBLE]},
    "ClusteringCoefficient": {2: [VID, DOUBLE]},
    "KCore": {2: [VID, INT]},
    "KCoreSubgraph": {2: [VID, VID]},
    "DegreeCentrality": {4: [VID, INT, INT, INT], 2: [VID, INT]},
    "NStepDegree": {4: [VID, INT, INT, INT], 2: [VID, INT]},
    "DegreeWithTime": {4: [VID, INT, INT, INT], 2: [VID, INT]},
    "LPA": {2: [VID, VID], 3: [VID, VID, DOUBLE]},
    "HANP": {2: [VID, VID], 3: [VID, VID, DOUBLE]},
    "WCC": {2: [VID, VID], 3: [VID, VID, DOUBLE]},
    "ConnectedComponent": {2: [VID, VID], 3: [VID, VID, DOUBLE]},
    "Louvain": {2: [VID, VID], 3: [VID, VID, DOUBLE]},
    "InfoMap": {2: [VID, VID], 3: [VID, VID, DOUBLE]},
    "SSSP": {2: [VID, DOUBLE]},
    "BFS": {2: [VID, INT]},
    "APSP": {3: [VID, VID, DOUBLE]},
    "Jaccard": {3: [VID, VID, DOUBLE]},
    "TriangleCount": {1: [INT], 2: [VID, INT], 3: [VID, VID, VID]},
    "HyperANF": {1: [DOUBLE]},
    "ShortestPath": {1: ["list<item: string>"], 7: ["list<item: string>"]},
    "Tree_stat": {2: [INT, INT], 1: [INT]},
    "Node2Vec": {11: ["list<item: string>"], 1: ["list<item: string>"]},
}
CASES = [(name, width, types) for name, shapes in DOCUMENTED.items() for width, types in shapes.items()]


@each(("name", "width", "types"), CASES)
def test_documented_columns(name, width, types):
    assert [str(kind) for kind in schemas.choose(schemas.named(name), width).types] == types


@each(("name", "width", "types"), CASES)
def test_vertex_ids_and_labels_follow_the_vid_type(name, width, types):
    expected = [kind.replace("string", "int64") for kind in types]
    assert [str(kind) for kind in schemas.choose(schemas.named(name), width, "int64").types] == expected


def test_the_book_is_what_is_documented():
    assert {entry.name for entry in schemas.BOOK} <= set(DOCUMENTED)
    assert {schemas.named(name).name for name in DOCUMENTED} == {entry.name for entry in schemas.BOOK}


def test_no_two_shapes_of_an_algorithm_have_one_width():
    for entry in schemas.BOOK:
        widths = [len(shape) for shape in entry.shapes]
        assert len(set(widths)) == len(widths), entry.name


def test_no_two_algorithms_share_a_name():
    names = [schemas._normal(name) for entry in schemas.BOOK for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)


def test_columns_without_a_schema_go_by_their_number():
    assert str(schemas.choose(None, 2)) == "id: string not null\nscore: double"
    assert str(schemas.choose(None, 3)) == "id: string not null\nscore: double\ncommunity: string not null"
    assert schemas.choose(None, None) == schemas.choose(None, 2)


@pytest.mark.parametrize(
    ("width", "offered"),
    [(1, "TriangleCount, HyperANF, Tree_stat"), (4, "DegreeCentrality"), (9, "pyarrow.Schema"), (0, "")],
)
def test_any_other_number_names_the_schemas_that_fit(width, offered):
    with pytest.raises(RowShapeError) as caught:
        schemas.choose(None, width)
    assert f"has {width} column" in str(caught.value)
    assert offered in caught.value.hint
    assert caught.value.row == 0


def test_a_known_algorithm_with_a_strange_width_is_refused():
    with pytest.raises(RowShapeError, match="PageRank has none of that width"):
        schemas.choose(schemas.named("pagerank"), 3)


@pytest.mark.parametrize("spelt", ["louvain", "LOUVAIN", " Lou-vain_", "tree stat", "TreeStat", "n_step_degree"])
def test_names_are_known_in_any_spelling(spelt):
    assert schemas.named(spelt)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'PageRank'"):
        schemas.named("pagerang")


@pytest.mark.parametrize(
    ("task", "algorithm"),
    [
        ("BFS", "BFS"),
        ("BFS_2", "BFS"),
        ("Louvain 12", "Louvain"),
        ("Node2Vec", "Node2Vec"),
        ("Node2Vec_1", "Node2Vec"),
        ("my own name", None),
        ("PageRank of the BFS", "PageRank"),
        ("KCore", "KCore"),
        ("KCore subgraph KMIN=2", "KCoreSubgraph"),
        ("n-step degree 3", "DegreeCentrality"),
        ("all but BFS", None),
        ("Louvainish", None),
        ("analytics_sssp_1", "SSSP"),
        ("", None),
        ("12", None),
    ],
)
def test_a_tasks_name_is_a_hint(task, algorithm):
    found = schemas.find(task)
    assert (found.name if found else None) == algorithm


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([]),
        pa.schema([("a", pa.string()), ("a", pa.string())]),
        pa.schema([("a", pa.time32("ms"))]),
        pa.schema([("a", pa.binary())]),
        pa.schema([("a", pa.float16())]),
        pa.schema([("a", pa.list_(pa.string())), ("b", pa.string())]),
        pa.schema([("a", pa.list_(pa.list_(pa.string())))]),
    ],
)
def test_a_schema_that_no_result_can_have_is_refused_at_once(schema):
    with pytest.raises(ConfigError):
        schemas.checked(schema)


def test_what_is_asked_for_and_whether_the_tasks_name_decides():
    own = pa.schema([("a", pa.string())])
    assert schemas.asked(None, "string") == (None, False)
    assert schemas.asked("auto", "int64") == (None, True)
    assert schemas.asked("louvain", "string") == (schemas.named("Louvain"), False)
    assert schemas.asked(own, "string") == (own, False)


@pytest.mark.parametrize("vid_type", ["string", "int64"])
def test_a_guessed_algorithm_decides_only_where_it_fits(vid_type):
    def names(guess, width):
        return schemas.choose(schemas.named(guess), width, vid_type, hint=True).names

    assert names("louvain", 2) == ["id", "community"]
    assert names("louvain", 3) == ["id", "community", "modularity"]
    assert names("degree", 2) == ["id", "degree"]
    assert names("degree", None) == ["id", "both_degree", "out_degree", "in_degree"]
    assert names("node2vec", 9) == ["path"]
    assert names("pagerank", 3) == ["id", "score", "community"]  # by the number of columns
    assert str(schemas.choose(schemas.named("louvain"), 2, vid_type, hint=True).types[1]) == vid_type
    with pytest.raises(RowShapeError, match="the result has 4 columns: without a schema"):
        names("pagerank", 4)


def test_own_schemas_of_the_right_width_are_taken():
    own = pa.schema([("vertex", pa.large_string()), ("rank", pa.float32())])
    assert schemas.choose(schemas.checked(own), 2) is own
    with pytest.raises(RowShapeError, match="3 columns and the schema 2: vertex, rank"):
        schemas.choose(own, 3)
