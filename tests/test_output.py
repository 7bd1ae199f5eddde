"""CSV parts -> typed tables: the grammar, the header, folders, and what is refused with file and line."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import each
from faults.rawserver import wait_until
from hypothesis import assume, given, strategies as st
from limits import HANG
from platforms import needs_fifo, needs_posix_names

from explorer_frames import (
    _threads,
    export_output,
    open_output,
    read_output,
    read_output_arrow,
    read_provenance,
    verify_file,
    write_parquet,
)
from explorer_frames._decode import csv_rows
from explorer_frames._outputs import full
from explorer_frames.errors import (
    ColumnTypeError,
    ConfigError,
    DecodeError,
    FileReadError,
    RowShapeError,
    TargetExistsError,
    UnsupportedFormatError,
)

IDS = pa.schema([("id", pa.string())])
CELLS = pa.schema([("cells", pa.list_(pa.string()))])
VECTORS = pa.schema([("id", pa.string()), ("values", pa.list_(pa.float64()))])


@pytest.fixture
def part(tmp_path):
    """Write one part and return its path."""

    def write(content: bytes | str, name: str = "part-00000.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def ids(path, **options) -> list[str]:
    return read_output_arrow(path, **{"schema": IDS, **options})["id"].to_pylist()


# --- grammar

NASTY = [
    "007",
    "NA",
    "null",
    "nan",
    "NULL",
    "None",
    "#N/A",
    "+7",
    "0x10",
    "1e5",
    "9007199254740993",
    " a ",
    "\t",
    "é",
    "𝔸",
    "\x1f",
    "\u2028",
    "=1+1",
    "'",
    "\\",
    "\\N",
    "a\\",
    "\ufeff",
]
QUOTED = [
    "",
    "\x00",
    '"',
    '""',
    '"""',
    ",",
    "\n",
    "\r",
    "\r\n",
    "a,b",
    'a"b',
    'a""b',
    '",',
    '"\n',
    "a\nb\nc",
    '\n"',
    ',"',
    "id",
    '"a"',
    "x,y\r\nz",
]


@each("text", NASTY)
def test_an_id_that_needs_no_quotes_stays_as_it_is(part, text):
    assert ids(part(f"x\n{text}\ny\n")) == ["x", text, "y"]


@each("text", [*NASTY, *QUOTED])
def test_an_id_in_quotes_stays_as_it_is(part, text):
    quoted = text.replace('"', '""')
    assert ids(part(f'x\n"{quoted}"\ny\n'), header=False) == ["x", text, "y"]


@each("text", [*NASTY, *QUOTED])
def test_output_of_python_csv_is_read_back(part, text):
    # Python leaves a NUL without quotes, which is refused: see test_output_engine.py.
    for style in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)["\0" in text :]:
        file = io.StringIO(newline="")
        csv.writer(file, quoting=style).writerows([["y", "0.25"], [text, "0.5"]])
        table = read_output_arrow(part(file.getvalue()), schema="pagerank", header=False)
        assert table.to_pydict() == {"id": ["y", text], "score": [0.25, 0.5]}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark(part, end, mark):
    text = mark + f'a,1{end}"b",2{end}"c","3"{end}'
    table = read_output_arrow(part(text), schema="pagerank")
    assert table.to_pydict() == {"id": ["a", "b", "c"], "score": [1.0, 2.0, 3.0]}


@each(
    ("text", "line", "says"),
    [
        ("a\n\nb\n", 2, "is empty"),
        ("a\n\r\nb\n", 2, "is empty"),
        ("a\nb\n\n", 3, "is empty"),
        ("\n", 1, "is empty"),
        ('a\nb"c\n', 2, "unexpected quote"),
        ('a\nb"\n', 2, "unexpected quote"),
        ('a\n"b"c\nd\n', 2, "unexpected quote"),
        ('a\n"b" \nd\n', 2, "unexpected quote"),
        ('a\n "b"\nd\n', 2, "unexpected quote"),
        ('a\n"b\n', 2, "unexpected quote"),
        ('a\n"b\nc\nd""\n', 2, "unexpected quote"),
        ('a\n"\n"\n"b"c\n', 4, "unexpected quote"),
        ('a\n"\n', 2, "unexpected quote"),
        ('a\n"""\n', 2, "unexpected quote"),
        ('a\nb,"2\n' + "c,3\n" * 50 + 'd,"4"\n', 2, "unexpected quote"),
        ('a\n"b"",\n' + "c\n" * 50 + '"d",4\n', 2, "unexpected quote"),
        ('a\n"b\n\n"\nc"d,"4"\n', 5, "unexpected quote"),
        ("a\nb\rc\nd\n", 2, "CR that is not followed by LF"),
        ("a\rb\rc\n", 1, "CR that is not followed by LF"),
        ('a\n"b"\rc\n', 2, "CR that is not followed by LF"),
        ("a\r\r\n", 1, "CR that is not followed by LF"),
        ("a\nb,c\n", 2, "wrong number of cells"),
        ('a\n"\n\n",c\n', 2, "wrong number of cells"),
        (b"a\nb\n\xff\n", 3, "UTF-8"),
        (b'"\n"\n\xed\xa0\x80\n', 3, "UTF-8"),
        (b"a\n\xc3\n", 2, "UTF-8"),
        ("a\n".encode("utf-16"), 1, "UTF-8"),
    ],
)
def test_invalid_csv_error_has_file_and_line(part, text, line, says):
    path = part(text)
    with pytest.raises(DecodeError) as caught:
        read_output_arrow(path, schema=IDS)
    assert f"[{path}, line {line}]" in str(caught.value)
    assert says in caught.value.what
    assert says == "wrong number of cells" or not re.search("row [0-9]", caught.value.what)  # the line says where


@pytest.mark.parametrize("text", ["a", "a\nb", 'a\n"b', 'a\n"', "VID", "a\nb\r", b"a\n\xc3", "\ufeffa"])
def test_a_plain_part_whose_last_line_has_no_end_may_be_cut_off(part, text):
    path = part(text)
    with pytest.raises(FileReadError, match="truncated file") as caught:
        read_output_arrow(path, schema=IDS)
    assert str(path) in str(caught.value)
    assert "add a newline" in caught.value.hint


@pytest.mark.parametrize(("schema", "text"), [("pagerank", "a,\n"), ("louvain", ",1\n"), ("trianglecount", '""\n')])
def test_an_empty_cell_where_a_number_should_be_is_called_so(part, schema, text):
    with pytest.raises(ColumnTypeError) as caught:
        read_output(part(text), schema=schema, vid_type="int64" if schema == "louvain" else "string")
    assert caught.value.hint.startswith("If cells may be empty")


@pytest.mark.parametrize(
    "score",
    [
        "",
        " 1",
        "1 ",
        "1_000",
        "0x10",
        "1,5",
        "nan(1)",
        "1e400",
        "١",
        "NA",
        "null",
        "player7",
        "1.0f",
        "--1",
        "1e",
        ".",
        "9007199254740993",
    ],
)
def test_invalid_score_error_has_file_and_line(part, score):
    path = part(f'a,1\n"b\nb",2\nc,"{score}"\n')
    with pytest.raises(ColumnTypeError) as caught:
        read_output(path, schema="pagerank")
    error = caught.value
    assert (error.row, error.column) == (2, "score")
    assert f"[{path}, line 4]" in str(error)


@pytest.mark.parametrize(
    "score",
    [
        "1",
        "-1",
        "+1",
        ".5",
        "5.",
        "1e5",
        "1E-5",
        "nan",
        "NaN",
        "-inf",
        "Infinity",
        "1.477629166666667e-01",
        "1e-400",
        "-0",
        "9007199254740992",
        "9223372036854775807.0",
    ],
)
def test_scores_are_those_of_the_sample(part, score):
    value = read_output(part(f"a,{score}\n"), schema="pagerank")["score"][0]
    assert np.float64(score).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("text", ["007", "+7", "0x10", "9223372036854775808", "", "1.0"])
def test_ids_that_would_not_print_back_are_no_numbers(part, text):
    with pytest.raises(ColumnTypeError) as caught:
        read_output(part(f"1,2\n{text},2\n"), schema="louvain", vid_type="int64")
    assert (caught.value.row, caught.value.column) == (1, "id")


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ("ShortestPath", 'a\nb,c,"d,e"\n"f","g"\n', {"path": [["a"], ["b", "c", "d,e"], ["f", "g"]]}),
        ("Node2Vec", "a,b,a\nb\n", {"path": [["a", "b", "a"], ["b"]]}),
        (VECTORS, "a,0.5,1\nb,2,-3\n", {"id": ["a", "b"], "values": [[0.5, 1.0], [2.0, -3.0]]}),
        (VECTORS, 'a\n"b\n",2,-3\n', {"id": ["a", "b\n"], "values": [[], [2.0, -3.0]]}),
        (CELLS, 'VID,VALUE\n"",\n', {"cells": [["VID", "VALUE"], ["", ""]]}),
        ("APSP", "a,b,1\n", {"id1": ["a"], "id2": ["b"], "distance": [1.0]}),
        ("HyperANF", "3.5\n", {"score": [3.5]}),
        ("Tree_stat", "3,4\n", {"width": [3], "depth": [4]}),
        (None, "a,1,b\n", {"id": ["a"], "score": [1.0], "community": ["b"]}),
    ],
)
def test_results_of_every_shape(part, schema, text, expected):
    assert read_output_arrow(part(text), schema=schema).to_pydict() == expected


def test_a_bad_cell_of_a_list_is_named_by_its_line(part):
    path = part('"a\n",1\nb,2,x\nc\n')
    with pytest.raises(ColumnTypeError) as caught:
        read_output(path, schema=VECTORS)
    assert f"[{path}, line 3]" in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("pagerank", "a,1,2\n"),
        ("louvain", "a\n"),
        ("louvain", "a,b,c,d\n"),
        (
            CELLS.append(pa.field("x", pa.list_(pa.string())))
            .remove(0)
            .insert(0, pa.field("i", pa.string()))
            .insert(1, pa.field("j", pa.string())),
            "a\n",
        ),
    ],
)
def test_a_result_of_another_width_is_refused_by_file_and_line(part, schema, text):
    path = part(text)
    with pytest.raises(RowShapeError) as caught:
        read_output(path, schema=schema)
    assert f"[{path}, line 1]" in str(caught.value)


# --- blocks: where text is cut does not matter

CELL = st.text(st.sampled_from('a,"\n\ré\ufeff0') | st.characters(exclude_categories=["Cs"]), max_size=6)


@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), data=st.data())
def test_generated_tables_come_back_however_they_are_cut(rows, data):
    file = io.StringIO(newline="")
    # Python leaves a CR bare where only an LF ends its lines.
    quoting, end = data.draw(
        st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n")])
    )
    assume(quoting == csv.QUOTE_ALL or not any("\0" in cell for row in rows for cell in row))
    csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)
    text = file.getvalue().encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    if text.startswith(b"\xef\xbb\xbf"):  # a mark, by every reader's rule
        pieces = [b"\xef\xbb\xbf", *pieces]
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    found = [
        row for block in csv_rows.read_blocks(pieces, 0, lambda _: False) for row in block.to_batch(schema).to_pylist()
    ]
    assert [(row["a"], row["b"]) for row in found] == rows


@given(text=st.text(st.sampled_from('a,"\n\r'), max_size=14), data=st.data())
def test_any_text_is_read_as_pythons_strict_csv_does_or_refused(text, data):
    at = data.draw(st.integers(0, len(text)))
    pieces = [text[:at].encode(), text[at:].encode()]
    try:
        blocks = list(csv_rows.read_blocks(pieces, 0, lambda _: False))
        found = [row for block in blocks for row in block.to_batch(CELLS)["cells"].to_pylist()]
    except RowShapeError:
        found = None
    try:
        expected = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        expected = None
    if found is not None:
        assert found == expected
    else:  # only for a reason that is ours: no CSV for Python either, or an empty line, a bare CR or a bare quote
        assert expected is None or [] in expected or "\r" in text.replace("\r\n", "") or bare_quote(expected, text)


def bare_quote(rows: list[list[str]], text: str) -> bool:
    """Whether Python took a quote for text in a cell that does not begin with one."""
    regular = [{cell, '"' + cell.replace('"', '""') + '"'} for row in rows for cell in row]
    return any('"' in cell for row in rows for cell in row) and not _spelled(rows, text) and bool(regular)


def _spelled(rows: list[list[str]], text: str) -> bool:
    """Whether the text is a spelling of the rows in which each cell with a quote is in quotes."""
    import re

    cells = [
        [
            re.escape('"' + cell.replace('"', '""') + '"') + ("" if '"' in cell else "|" + re.escape(cell))
            for cell in row
        ]
        for row in rows
    ]
    return (
        re.fullmatch("\r?\n".join(",".join(f"(?:{cell})" for cell in row) for row in cells) + "(?:\r?\n)?", text)
        is not None
    )


def test_a_row_larger_than_a_piece_is_read(part):
    large = "x,\n" * 700_000
    assert ids(part(f'a\n"{large}"\nb\n')) == ["a", large, "b"]


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(part, monkeypatch):
    monkeypatch.setattr(csv_rows, "MAX_HELD", 2**22)
    path = part(b'a\n"' + b"x\n" * (3 * 2**20))
    with pytest.raises(RowShapeError, match="larger than 4 MiB") as caught:
        read_output(path, schema=IDS)
    assert "line 2" in str(caught.value)


def test_lines_are_counted_over_blocks_and_parts(tmp_path):
    many = "".join(f'"a\n{number}",{number}\n' for number in range(200_000))
    (tmp_path / "part-0.csv").write_text(many)
    (tmp_path / "part-1.csv").write_text(f"VID,VALUE\n{many}a,b\n")
    with pytest.raises(ColumnTypeError) as caught:
        read_output(tmp_path, schema="pagerank")
    assert caught.value.row == 400_000
    assert f"[{tmp_path / 'part-1.csv'}, line 400002]" in str(caught.value)


# --- header


@pytest.mark.parametrize(
    ("schema", "header", "text", "rows"),
    [
        ("pagerank", None, "VID,VALUE\na,1\n", 1),
        ("pagerank", None, "vid,Value\r\na,1\r\n", 1),
        ("pagerank", None, '\ufeff"VID","VALUE"\na,1\n', 1),
        ("pagerank", None, "id,score\na,1\n", 1),
        ("louvain", None, "VID,LABEL\na,b\n", 1),
        ("louvain", None, "name,label\na,b\n", 2),
        ("louvain", False, "VID,LABEL\na,b\n", 2),
        ("louvain", True, "name,label\na,b\n", 1),
        ("louvain", True, "name,label\n", 0),
        ("pagerank", None, "VID,VALUE\n", 0),
        ("trianglecount", None, "COUNT\n5\n", 1),
        (None, None, "id,score,community\na,1,b\n", 1),
        (IDS, None, "count\nvalue\n", 2),
        (IDS, None, "id\na\n", 2),
        (IDS, True, "id\na\n", 1),
        (pa.schema([("Who", pa.int64())]), None, "WHO\n7\n", 1),
        (pa.schema([("a", pa.string()), ("b", pa.string())]), None, "vid,label\na,b\n", 1),
        (pa.schema([("Who", pa.string())]), None, "a\nwho\n", 2),
        ("shortestpath", None, "path\n", 1),
        ("shortestpath", None, "COUNT\n", 1),
        ("shortestpath", True, "path\na,b\n", 1),
    ],
)
def test_header_is_skipped_if_certain_or_requested(part, schema, header, text, rows):
    assert read_output_arrow(part(text), schema=schema, header=header).num_rows == rows


def test_a_line_that_is_no_header_for_sure_is_a_row_and_an_error(part):
    with pytest.raises(ColumnTypeError, match="cannot convert 'rank' to double"):
        read_output(part("vertex,rank\na,1\n"), schema="pagerank")


@pytest.mark.parametrize("header", [None, True])
def test_each_part_may_have_the_header_or_not(tmp_path, header):
    for number, text in enumerate(["VID,LABEL\na,b\n", "VID,LABEL\n", "", "c,d\n", "VID,LABEL\ne,f\n"]):
        (tmp_path / f"part-{number}.csv").write_text(text)
    assert read_output(tmp_path, schema="louvain", header=header)["id"].tolist() == ["a", "c", "e"]


def test_header_determines_the_columns_of_an_empty_result(part):
    empty = read_output_arrow(part("VID,LABEL,MODULARITY\n"), schema="louvain")
    assert (empty.num_rows, empty.schema.names) == (0, ["id", "community", "modularity"])


# --- folders, patterns, compression


def test_parts_are_read_in_the_order_of_their_names(tmp_path):
    for name in [
        "part-00002.csv",
        "part-00000.csv.gz",
        "part-00001",
        "_SUCCESS",
        ".part-00000.csv.gz.crc",
        "_metadata",
    ]:
        text = f"{name},1\n".encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    expected = ["part-00000.csv.gz", "part-00001", "part-00002.csv"]
    assert read_output(tmp_path, schema="pagerank")["id"].tolist() == expected
    assert read_output(f"{tmp_path}/", schema="pagerank")["id"].tolist() == expected
    assert read_output(f"file://{tmp_path}", schema="pagerank")["id"].tolist() == expected
    assert read_output(f"{tmp_path}/part-*", schema="pagerank")["id"].tolist() == expected
    assert read_output(f"{tmp_path}/*0000[12]*", schema="pagerank")["id"].tolist() == expected[1:]


@needs_posix_names
def test_a_name_may_have_the_signs_of_a_pattern(part):
    path = part("a\n", "part[1]*.csv")
    assert ids(path) == ids(str(path)) == ["a"]


@pytest.mark.parametrize("name", ["a", "a.csv", "a.gz", "a.csv.GZ", "a.part"])
def test_gzip_is_known_by_its_name_or_its_first_bytes(part, name):
    packed = gzip.compress(b"a\n")
    assert ids(part(packed, name)) == ["a"]
    assert ids(part(packed + gzip.compress(b"") + gzip.compress(b"b\nc"), name)) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["a", "a.zst", "a.csv.zstd"])
def test_zstd_is_known_by_its_name_or_its_first_bytes(part, name):
    packed = pa.compress(b"a\n", codec="zstd", asbytes=True)
    assert ids(part(packed * 2, name)) == ["a", "a"]


@pytest.mark.parametrize("parts", [[b""], [b"", b""], [gzip.compress(b"")], [b"", gzip.compress(b""), b"\xef\xbb\xbf"]])
@pytest.mark.parametrize("schema", [None, "louvain", "node2vec", VECTORS, CELLS])
def test_a_result_without_rows_has_the_full_schema(tmp_path, parts, schema):
    for number, content in enumerate(parts):
        (tmp_path / f"part-{number}").write_bytes(content)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").write_text("a,1\n" if schema != "louvain" else "a,b\n")
    full = read_output_arrow(tmp_path / "one" / "a", schema=schema)
    empty = read_output_arrow(f"{tmp_path}/part-*", schema=schema)
    assert empty.num_rows == 0
    assert empty.schema.equals(full.schema)
    frames = [read_output(path, schema=schema) for path in (f"{tmp_path}/part-*", tmp_path / "one" / "a")]
    assert frames[0].dtypes.equals(frames[1].dtypes)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["_temporary/0/part-0"], "unfinished"),
        (["part-0", "_temporary/x"], "unfinished"),
        ([], "no CSV files"),
        (["_SUCCESS"], "no CSV files"),
        (["part-0", "sub/part-1"], "among the CSV files"),
        (["part-0.csv", "part-0.csv.gz"], "duplicate files: 'part-0.csv' and 'part-0.csv.gz'"),
        (["part-0.gz", "part-0.ZST"], "duplicate files: 'part-0.ZST' and 'part-0.gz'"),
        (["part-0.csv", "part-1.csv.tmp"], "contains part-1.csv.tmp"),
        (["part-0.csv", "part-1.csv~"], "contains part-1.csv~"),
        (["part-0.csv", "part-1.csv._COPYING_"], "contains part-1.csv._COPYING_"),
        (["part-0.csv", "_SUCCESS._COPYING_"], "contains _SUCCESS._COPYING_"),
        (["part-0.bz2"], "unsupported file extension .bz2"),
        (["part-0.snappy.parquet"], "unsupported file extension .parquet"),
    ],
)
@pytest.mark.parametrize("pattern", ["", "/*"])
def test_unfinished_result_folder_is_rejected(tmp_path, names, says, pattern):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a\n")
    with pytest.raises(FileReadError, match=says) as caught:
        read_output(f"{tmp_path}{pattern}", schema=IDS)
    assert str(tmp_path) in str(caught.value)


def test_missing_file_raises_typed_error(tmp_path):
    for url in [tmp_path / "none", f"{tmp_path}/none*.csv", f"{tmp_path}/no/folder/x.csv", "memory://nothing/here"]:
        with pytest.raises(FileReadError, match=r"file or folder not found|no CSV files"):
            read_output(url, schema=None)


@pytest.mark.parametrize("url", ["", None, 5, b"x", "a\0b", "nosuch://x/y", "\ud800"])
def test_invalid_address_is_rejected(url):
    with pytest.raises((ConfigError, FileReadError)):
        read_output(url, schema=None)


@pytest.mark.parametrize(
    "options",
    [
        {"schema": "no such"},
        {"schema": 5},
        {"vid_type": "int"},
        {"dtype_backend": "x"},
        {"header": "yes"},
        {"header": 1},
        {"quoting": "all"},
        {"quoting": None},
    ],
)
def test_arguments_are_checked_before_anything_is_read(tmp_path, options):
    with pytest.raises(ConfigError):
        read_output(tmp_path / "none", **{"schema": None, **options})


# --- frames, streams, files


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_a_frame_says_where_it_came_from_and_that_it_is_all(part, backend):
    path = part("a,1\nb,nan\n")
    frame = read_output(path, schema="PageRank", dtype_backend=backend)
    known = frame.attrs["explorer_frames"]
    assert known["source"] == str(path)
    assert (known["rows"], known["complete"], known["algorithm"], known["limit"]) == (2, True, "PageRank", None)
    assert (known["server"], known["job_id"], known["task_id"]) == (None, None, None)
    assert frame["id"].tolist() == ["a", "b"]


def test_stream_yields_all_batches(tmp_path):
    rows = "".join(f"a{number},{number}\n" for number in range(300_000))
    for number in range(3):
        (tmp_path / f"{number}.gz").write_bytes(gzip.compress(rows.encode(), 1))
    with open_output(tmp_path, schema="pagerank") as reader:
        sizes = [batch.num_rows for batch in reader]
    assert sum(sizes) == 900_000
    assert len(sizes) >= 6


def test_a_stream_that_is_left_stops_its_thread_and_closes_its_file(part):
    path = part("player,0.5\n" * 2_000_000)
    with open_output(path, schema="pagerank") as reader:
        assert reader.read_next_batch().num_rows
    wait_until(lambda: not [pool for pool in _threads._pools if len(pool._ended) < len(pool._started)])
    assert not [name for name in open_files() if str(path) in name]
    with pytest.raises(FileReadError, match="closed before the end"):
        reader.read_all()


@pytest.mark.parametrize("pieces", [2, 3, 4, 5, 9])
def test_abandoned_stream_is_not_complete(part, pieces):
    """However much of it had been read ahead by then."""
    path = part("a,1\n" * (pieces * 2**20 // 4))
    with open_output(path, schema="pagerank") as reader:
        time.sleep(0.2)
    with pytest.raises(FileReadError, match="closed before the end"):
        reader.read_all()


def open_files() -> list[str]:
    folder = Path("/proc/self/fd")
    return [str(fd.resolve()) for fd in folder.iterdir()] if folder.exists() else []


def test_an_error_comes_in_place_of_the_end_of_a_stream(part):
    path = part("a,1\n" * 500_000 + "a,x\n")
    with open_output(path, schema="pagerank") as reader:
        assert reader.read_next_batch().num_rows
        with pytest.raises(ColumnTypeError, match="line 500001"):
            reader.read_all()


def test_stream_error_is_raised_again_on_the_next_read(part):
    path = part("a,1\n" * 2**20 + "a,x\n" + "a,1\n" * 100_000)  # behind the first block
    with open_output(path, schema="pagerank") as reader:
        for _ in range(3):
            with pytest.raises(ColumnTypeError, match="line 1048577") as caught:
                reader.read_all()
            assert caught.value.where == f"{path}, line 1048577"


def test_no_file_stays_open_while_an_error_lives(part):
    path = part('a,1\n"b"c,1\n' + "a,1\n" * 2**20)
    with pytest.raises(RowShapeError) as caught:
        read_output(path, schema="pagerank")
    assert not [name for name in open_files() if str(path) in name]
    assert caught.value.__traceback__ is not None


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_a_file_has_the_rows_and_says_where_they_came_from(part, tmp_path, suffix):
    source = part("007,0.5\nNA,nan\n")
    receipt = export_output(source, tmp_path / f"out{suffix}", schema="pagerank", compression="zstd", mode="create")
    assert (receipt.rows, receipt.complete) == (2, True)
    frame = (pd.read_parquet if suffix == ".parquet" else pd.read_feather)(tmp_path / f"out{suffix}")
    pd.testing.assert_frame_equal(frame, read_output(source, schema="pagerank"))
    assert b'"source"' in receipt.schema.metadata[b"explorer_frames"]
    with pytest.raises(TargetExistsError):
        export_output(source, tmp_path / f"out{suffix}", schema="pagerank", mode="create")


def test_damaged_part_prevents_publishing(tmp_path):
    folder, target = tmp_path / "in", tmp_path / "out.parquet"
    folder.mkdir()
    (folder / "0").write_text("a,1\n")
    (folder / "1").write_text("a,x\n")
    write_parquet(pd.DataFrame({"id": ["old"]}), target)
    with pytest.raises(ColumnTypeError):
        export_output(folder, target, schema="pagerank")
    assert pq.read_table(target)["id"].to_pylist() == ["old"]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.parquet"]


def test_the_target_is_checked_before_anything_is_read(tmp_path):
    with pytest.raises(UnsupportedFormatError):
        export_output(tmp_path / "none", tmp_path / "out.xls", schema=None)


@pytest.mark.parametrize("change", ["more", "less", "other", "gone"])
def test_a_folder_that_changes_while_it_is_read_is_an_error(tmp_path, change):
    for number in range(2):
        (tmp_path / f"part-{number}").write_text("a,1\n" * 3_000_000)
    with open_output(tmp_path, schema="pagerank") as reader:
        reader.read_next_batch()
        last = tmp_path / "part-1"
        {
            "more": lambda: (tmp_path / "part-2").write_text("b,1\n"),
            "less": lambda: last.write_text("a,1\n"),
            "other": lambda: last.write_text("b,1\n" * 3_000_000),
            "gone": last.unlink,
        }[change]()
        with pytest.raises(FileReadError) as caught:
            reader.read_all()
    assert str(tmp_path) in str(caught.value)


# What breaking it found


@pytest.mark.parametrize("name", ["o", "parts/p", "parts/new.parquet"])
def test_a_target_among_the_parts_is_refused(tmp_path, name):
    (tmp_path / "parts").mkdir()
    for file in ("o", "parts/p"):
        (tmp_path / file).write_text("a,0.5\n")
    source = tmp_path / ("parts" if name.startswith("parts") else name)
    with pytest.raises(ConfigError, match="inside the input folder"):
        export_output(source, tmp_path / name, schema=None, format="parquet")
    assert (tmp_path / "o").read_text() == (tmp_path / "parts" / "p").read_text() == "a,0.5\n"
    assert export_output(tmp_path / "o", tmp_path / "o.parquet", schema=None).rows == 1


@needs_fifo
@pytest.mark.parametrize("look", [read_provenance, verify_file, lambda path: read_output(path, schema=None)])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, look):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileReadError, match="device, pipe or socket"):
        look(tmp_path / "pipe")


@pytest.mark.parametrize("look", [read_provenance, verify_file, lambda url: read_output(url, schema=None)])
def test_signature_of_a_signed_url_is_masked(look):
    pytest.importorskip("aiohttp", reason="fsspec's driver for http:// needs it")
    with pytest.raises(FileReadError) as caught:
        look("http://127.0.0.1:1/x.csv?X-Amz-Signature=c4n4ry&more=s3cret")
    told = str(caught.value) + repr(vars(caught.value))
    assert not {"c4n4ry", "s3cret"} & set(re.split(r"\W", told))


@pytest.mark.parametrize("options", ["x", 5, [1], {"key": "\udcff"}])
def test_unusual_storage_options_are_rejected_or_unchanged(options):
    with pytest.raises((ConfigError, FileReadError)):
        read_output("memory://nowhere/a.csv", schema=None, storage_options=options)


@needs_fifo
@pytest.mark.parametrize("given", ["", "*.csv", "part-0.csv", "link/"])
def test_a_pipe_among_the_files_is_an_error_and_no_wait(tmp_path, given):
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "part-1.csv").write_text("a,1\n", encoding="utf-8")
    os.mkfifo(folder / "part-0.csv")
    (tmp_path / "output" / "link").mkdir()
    (folder / "link" / "part-0.csv").symlink_to(folder / "part-0.csv")
    with pytest.raises(FileReadError, match="pipe"):
        read_output(f"{folder}/{given}", schema="pagerank")


def test_an_output_that_a_thread_reads_can_be_closed(tmp_path, monkeypatch):
    """As after a second interrupt of an export."""
    waiting, may_end = threading.Event(), threading.Event()
    read_part = full.read_part

    def slow(*arguments):
        yield from read_part(*arguments)
        waiting.set()
        may_end.wait(HANG)

    (tmp_path / "a.csv").write_text("a,1\n")
    monkeypatch.setattr(full, "read_part", slow)
    request = full.Request.of(str(tmp_path), schema="pagerank", vid_type="string", header=None, storage_options=None)
    output = full.Output(request, request.schema, full.Store(request.path, request.storage_options))
    batches = _threads.prefetch(iter(output))
    next(batches)
    assert waiting.wait(HANG)
    output.close()
    may_end.set()
    batches.close()
    wait_until(lambda: not _threads._pools)
