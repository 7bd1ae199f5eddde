"""Count work instead of time, so that the results do not depend on the machine."""

from __future__ import annotations

import json
import sys
import threading

import bodies
import child
import decoders
import import_time
import pytest
import server
from conftest import SMALL
from side_by_side import OURS, USUAL

ROWS = 100_000


@pytest.mark.parametrize("kind", ["two", "three", "four", "escaped", "unicode", "chinese", "emoji"])
def test_no_call_is_made_for_each_row(kind):
    few, many = (_calls(rows, kind) for rows in (ROWS, 2 * ROWS))
    per_mib = (many - few) / (len(bodies.body(2 * ROWS, kind)) - len(bodies.body(ROWS, kind))) * 2**20
    assert per_mib <= 1_000  # measured: about 300, for 20,000 to 36,000 rows


def _calls(rows, kind):
    pieces = decoders.pieces(bytes(bodies.body(rows, kind)))
    return _calls_of(lambda: decoders.ours_to_arrow(pieces, kind))


def _calls_of(work):
    """Count the calls of Python and C functions in all threads."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    threading.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return calls


def test_a_small_read_makes_no_more_calls_than_the_usual_code(readers, check):
    ways = readers("two", SMALL)
    for way in (OURS, USUAL):
        check(ways[way](), "two", SMALL)  # also opens the connection
    ours, usual = (_calls_of(ways[way]) for way in (OURS, USUAL))
    assert ours <= 1.2 * usual  # measured: 4,161 and 5,615


def test_an_import_runs_little_code_and_loads_nothing_else():
    figures = import_time.steps()
    assert figures["others"] <= 10  # modules beyond those of pandas, pyarrow, requests and fsspec; measured: 2
    assert figures["steps"] <= 500_000  # lines and calls; measured: 160,851


@pytest.mark.parametrize("kind", ["two", "three"])
def test_a_table_has_no_unused_room_and_hardly_more_was_ever_needed(kind):
    figures = _figures("ours_read_arrow", kind)
    assert figures["allocated"] <= 1.01 * figures["size"]
    assert figures["most"] <= 1.2 * figures["size"]  # memory of Arrow only; that of Python and numpy is constant
    assert figures["elsewhere"] <= 2**20


@pytest.mark.parametrize("kind", ["two", "three"])
def test_a_frame_takes_over_the_text_and_copies_the_numbers_once(kind):
    figures = _figures("ours_read", kind)
    assert figures["allocated"] <= 1.01 * figures["size"]
    assert figures["most"] <= 1.3 * figures["size"]
    assert figures["elsewhere"] <= 2**20


def _figures(way, kind):
    name = f"1000000/{kind}"
    with server.serving(name) as url:
        return child.run(way, url, name, script=__file__)


def _allocations(way, url, name):
    """Print the size of a result, and the current and peak memory of Arrow."""
    import pyarrow as pa
    import ways

    from explorer_frames import Explorer
    from explorer_frames._memory import POOL

    with Explorer(url, token="benchmark", deadline=None, row_cap=10**9) as explorer:
        read = getattr(ways, way)(explorer, name)
    columns = read.columns if isinstance(read, pa.Table) else [pa.chunked_array(read[name]) for name in read]
    figures = {
        "size": sum(column.nbytes for column in columns),
        "allocated": POOL.bytes_allocated(),
        "most": POOL.max_memory(),
        "elsewhere": pa.default_memory_pool().max_memory(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    _allocations(*sys.argv[1:])
