from __future__ import annotations

import pyarrow as pa
import pytest
from cases import each

from explorer_frames import _schemas
from explorer_frames._schemas import SchemaRequest
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
    "Query": {width: [VID] * width for width in (1, 2, 3, 9)},
}
CASES = [(name, width, types) for name, shapes in DOCUMENTED.items() for width, types in shapes.items()]


def resolve(schema, width, vid_type="string", task_name=None):
    return SchemaRequest.of(schema, vid_type).for_task(task_name).resolve(width)


@each(("name", "width", "types"), CASES)
def test_documented_columns(name, width, types):
    assert [str(kind) for kind in resolve(name, width).schema.types] == types
    assert resolve("auto", width, task_name=f"{name} 3") == _schemas.ResolvedSchema(
        resolve(name, width).schema, _schemas.named(name).name, "task name"
    )


ALIASES = {
    "Betweenness": "BetweennessCentrality",
    "Closeness": "ClosenessCentrality",
    "LocalClusteringCoefficient": "ClusteringCoefficient",
    "GlobalClusteringCoefficient": "ClusteringCoefficient",
    "Degree": "DegreeCentrality",
    "LabelPropagation": "LPA",
    "ConnectedComponents": "WCC",
    "Triangles": "TriangleCount",
    "GraphQuery": "Query",
    "nGQL": "Query",
}


@each(("alias", "name"), ALIASES.items())
def test_algorithms_have_other_names(alias, name):
    assert _schemas.named(alias).name == name
    assert _schemas.find(f"{alias} 2").name == name


def test_row_keys_do_not_contain_communities():
    assert frozenset({"id"}) in _schemas.KEYS
    assert frozenset({"id1", "id2", "id3"}) in _schemas.KEYS
    assert not any("community" in names for names in _schemas.KEYS)


@each(("name", "width", "types"), [case for case in CASES if case[0] != "Query"])
def test_vertex_ids_and_labels_follow_the_vid_type(name, width, types):
    expected = [kind.replace("string", "int64") for kind in types]
    assert [str(kind) for kind in resolve(name, width, "int64").schema.types] == expected


def test_algorithm_registry_matches_the_documentation():
    assert {entry.name for entry in _schemas.ALGORITHMS} <= set(DOCUMENTED)
    assert {_schemas.named(name).name for name in DOCUMENTED} == {entry.name for entry in _schemas.ALGORITHMS}


def test_no_two_shapes_of_an_algorithm_have_one_width():
    for entry in _schemas.ALGORITHMS:
        widths = [len(shape) for shape in entry.shapes]
        assert len(set(widths)) == len(widths), entry.name


def test_no_two_algorithms_share_a_name():
    names = [_schemas._normal(name) for entry in _schemas.ALGORITHMS for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)
    assert [name for name in names if name.rstrip("0123456789") in {*names} - {name}] == []  # as `BFS_2`


@each("schema", ["auto", None])
def test_the_number_of_columns_decides_without_a_known_task_name(schema):
    def columns(width):
        resolved = resolve(schema, width, task_name="my own name")
        assert (resolved.algorithm, resolved.source) == (None, "column count")
        return str(resolved.schema)

    assert columns(2) == "id: string not null\nscore: double"
    assert columns(3) == "id: string not null\nscore: double\ncommunity: string not null"
    assert columns(None) == columns(2)
    assert columns(1) == "column_1: string"
    assert columns(4) == "column_1: string\ncolumn_2: string\ncolumn_3: string\ncolumn_4: string"
    with pytest.raises(RowShapeError, match="row 0 has no cells"):
        columns(0)


@each("vid_type", _schemas.VID_TYPES)
@each("width", [1, 2, 3, 4, 25])
def test_query_columns_are_text(vid_type, width):
    for resolved in (resolve("auto", width, vid_type, "Query_2"), resolve("query", width, vid_type, "PageRank")):
        assert resolved.schema == pa.schema([(f"column_{n}", pa.string()) for n in range(1, width + 1)])
        assert resolved.algorithm == "Query"
    assert resolve("auto", None, vid_type, "Query").schema.names == ["column_1"]


def test_a_named_algorithm_with_another_number_of_columns_is_refused():
    with pytest.raises(RowShapeError, match="3 columns, but PageRank results have 2") as caught:
        resolve("pagerank", 3)
    assert caught.value.row == 0


@each("width", range(1, 6))
def test_no_hint_names_an_algorithm_that_merely_fits_the_width(width):
    own = pa.schema([(f"c{n}", pa.string()) for n in range(width + 1)])
    with pytest.raises(RowShapeError) as caught:
        resolve(own, width)
    assert caught.value.hint.startswith("Pass schema='auto'")
    named = [entry.name for entry in _schemas.ALGORITHMS if f"'{entry.name.lower()}'" in caught.value.hint.lower()]
    assert named == ["Query"]


@pytest.mark.parametrize(
    ("schema", "task_name", "expected"),
    [
        ("louvain", "APSP", True),
        ("louvain", "PageRank_2", True),
        ("pagerank", "Query", True),
        ("kcore", "KCore subgraph", True),
        ("kcoresubgraph", "KCore", False),  # the component's name does not tell its parameters
        ("degree", "NStepDegree", False),
        ("louvain", "Louvain 2", False),
        ("louvain", "my own name", False),
        ("louvain", None, False),
        ("query", "PageRank", False),
        ("auto", "PageRank", False),
        (None, "PageRank", False),
        (pa.schema([("a", pa.string())]), "PageRank", False),
    ],
)
def test_a_named_algorithm_can_contradict_the_tasks_name(schema, task_name, expected):
    assert SchemaRequest.of(schema, "string").for_task(task_name).contradicts(task_name) is expected


@pytest.mark.parametrize("spelt", ["louvain", "LOUVAIN", " Lou-vain_", "tree stat", "TreeStat", "n_step_degree"])
def test_names_are_known_in_any_spelling(spelt):
    assert _schemas.named(spelt)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'PageRank'"):
        _schemas.named("pagerang")


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
        ("Analytics SSSP", "SSSP"),
        ("Louvain2", "Louvain"),
        ("BFS1", "BFS"),
        ("KCore3", "KCore"),
        ("Query1", "Query"),
        ("Louvain社区发现", "Louvain"),
        ("PageRank计算", "PageRank"),
        ("Node2Vec3", "Node2Vec"),
        ("社区Louvain", None),
        ("", None),
        ("12", None),
    ],
)
def test_a_tasks_name_is_a_hint(task, algorithm):
    found = _schemas.find(task)
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
        _schemas.checked(schema)


@pytest.mark.parametrize("vid_type", ["string", "int64"])
def test_a_guessed_algorithm_decides_only_where_it_fits(vid_type):
    def names(guess, width):
        return resolve("auto", width, vid_type, guess).schema.names

    assert names("louvain", 2) == ["id", "community"]
    assert names("louvain", 3) == ["id", "community", "modularity"]
    assert names("degree", 2) == ["id", "degree"]
    assert names("degree", None) == ["id", "both_degree", "out_degree", "in_degree"]
    assert names("node2vec", 9) == ["path"]
    assert names("pagerank", 3) == ["id", "score", "community"]  # by the number of columns
    assert names("pagerank", 4) == ["column_1", "column_2", "column_3", "column_4"]
    assert str(resolve("auto", 2, vid_type, "louvain").schema.types[1]) == vid_type


def test_own_schemas_of_the_right_width_are_taken():
    own = pa.schema([("vertex", pa.large_string()), ("rank", pa.float32())])
    assert resolve(own, 2) == _schemas.ResolvedSchema(own, None, "argument")
    with pytest.raises(RowShapeError, match=r"3 columns, but the schema has 2 \(vertex, rank\)"):
        resolve(own, 3)
