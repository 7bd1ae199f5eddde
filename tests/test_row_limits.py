"""Whether a result is complete, on servers that cap `limit` silently or refuse a large one."""

from __future__ import annotations

import re
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from cases import each
from faults.rawserver import RawServer, answer, envelope

from explorer_frames import Explorer, provenance
from explorer_frames._arguments import EVERYTHING
from explorer_frames._results.reading import RowLimits, is_round
from explorer_frames.errors import (
    BadRequestError,
    ConfigError,
    IncompleteResultError,
    NotFoundError,
    TruncatedResultWarning,
)
from explorer_frames.sandbox import Sandbox

ROUND = [1000, 1024, 2048, 5000, 8192, 10_000, 50_000, 65_536, 100_000, 500_000, 1_000_000, 1 << 20, 5_000_000]
OTHERS = [0, 1, 2, 10, 100, 500, 512, 999, 1001, 1025, 1500, 2000, 2500, 4000, 20_000, 65_535, 150_000, 1_500_000]


def scores(count):
    return [[f"v{number}" for number in range(count)], ["0.5"] * count]


@pytest.fixture
def capped():
    with Sandbox(limit_cap=1000) as server:
        yield server


@each("rows", ROUND)
def test_round_numbers_may_be_a_cap(rows):
    assert is_round(rows)
    assert RowLimits(None).is_complete(rows, EVERYTHING) is None


@each("rows", OTHERS)
def test_other_numbers_are_not_a_cap(rows):
    assert not is_round(rows)
    assert RowLimits(None).is_complete(rows, EVERYTHING) is True


def test_as_many_rows_as_requested_may_be_truncated_and_a_larger_result_shows_that_there_is_no_lower_cap():
    limits = RowLimits(None)
    assert limits.is_complete(1000, 1000) is False
    assert limits.is_complete(1000, 2000) is None
    assert limits.is_complete(1000, 2000) is None  # the same number of rows again shows nothing
    assert limits.is_complete(1001, 1001) is False
    assert limits.is_complete(1000, 2000) is True
    assert limits.is_complete(1024, 2000) is None


def test_row_cap_determines_completeness():
    limits = RowLimits(5000)
    assert limits.to_try(None) == [5000]
    assert limits.to_try(6000) == [5000]
    assert limits.to_try(10) == [10]
    assert limits.is_complete(1000, 5000) is True
    assert limits.is_complete(5000, 5000) is False


@each("more", [0, 1, 500])
def test_result_with_round_number_of_rows_has_unknown_completeness(more):
    with Sandbox(limit_cap=1000) as server, Explorer(server.url, token=server.token) as explorer:
        job, task = server.add_result(scores(1000 + more))
        with pytest.warns(TruncatedResultWarning, match="1000 rows may be the server's cap") as caught:
            frame = explorer.read_sample_result(job, task)
        assert len(caught) == 1
        assert (len(frame), provenance(frame).complete) == (1000, None)
        with (
            pytest.warns(TruncatedResultWarning, match="1000 rows"),
            explorer.open_sample_result(job, task) as reader,
        ):
            assert reader.read_all().num_rows == 1000


def test_export_with_round_number_of_rows_requires_allow_incomplete(capped, tmp_path):
    job, task = capped.add_result(scores(1001))
    target = tmp_path / "a.parquet"
    with Explorer(capped.url, token=capped.token) as explorer:
        with pytest.raises(IncompleteResultError, match=r"1000 rows .* nothing was written") as caught:
            explorer.export_sample_result(job, task, target)
        assert "row_cap=" in caught.value.hint
        assert not target.exists()
        receipt = explorer.export_sample_result(job, task, target, allow_incomplete=True)
    assert (receipt.rows, receipt.complete) == (1000, None)


def test_row_cap_makes_completeness_known(capped, tmp_path, monkeypatch):
    job, task = capped.add_result(scores(1000))

    def complete(**options):
        with Explorer(capped.url, token=capped.token, **options) as explorer:
            return explorer.export_sample_result(job, task, tmp_path / "a.feather").complete

    assert complete(row_cap=2000) is True
    monkeypatch.setenv("EXPLORER_FRAMES_ROW_CAP", "2000")
    assert complete() is True
    with pytest.raises(IncompleteResultError, match="exactly limit=1000 rows"):
        complete(row_cap=1000)


@each("cap", [0, -1, 1.5, True, "many", 2**31])
def test_a_cap_that_is_not_a_number_of_rows_is_refused(cap):
    with pytest.raises(ConfigError, match="row_cap"):
        Explorer("http://host", token="t", row_cap=cap)


@each("text", ["0", "-1", "many", "1e6", " 5", "2147483648"])
def test_the_environments_cap_is_checked(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_FRAMES_ROW_CAP", text)
        with pytest.raises(ConfigError, match="EXPLORER_FRAMES_ROW_CAP"):
            Explorer("http://host", token="t")


def test_larger_result_proves_completeness(tmp_path):
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer:
        job, task = server.add_result(scores(1000))
        larger, other = server.add_result(scores(1001))
        with pytest.raises(IncompleteResultError):
            explorer.export_sample_result(job, task, tmp_path / "a.parquet")
        explorer.read_sample_result(larger, other)
        assert explorer.export_sample_result(job, task, tmp_path / "a.parquet").complete is True


# --- a server that refuses a large limit


@contextmanager
def refusing(most, rows=3, code=40004001, status="200 OK"):
    """A server that refuses a limit above `most`, an Explorer, and the limits that the server gets."""
    limits = []
    row = ",".join(f'["v{number}","0.5"]' for number in range(rows))

    def script(_number, request):
        if b"sample_result" not in request:
            return answer(b'{"code":0,"data":{"id":1,"status":2,"tasks":[]}}')
        limit = int(parse_qs(urlsplit(request.split(b" ")[1].decode()).query)["limit"][0])
        limits.append(limit)
        refused = b'{"code":%d,"message":"ErrParam: limit"}' % code
        return answer(refused, status) if limit > most else answer(envelope(f"[{row}]"))

    with RawServer(script) as server, Explorer(server.url, token="t", retries=0) as explorer:
        yield explorer, limits


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
@pytest.mark.parametrize(
    ("most", "tried"), [(10_000, [EVERYTHING, 10**6, 10**5, 10**4]), (500_000, [EVERYTHING, 10**6, 10**5])]
)
def test_no_limit_steps_down_from_a_refused_one_and_remembers_it(most, tried, status):
    with refusing(most, status=status) as (explorer, limits):
        frame = explorer.read_sample_result(1, "a", schema=None)
        assert (len(frame), provenance(frame).complete, provenance(frame).limit) == (3, True, tried[-1])
        assert limits == tried
        explorer.read_sample_result_arrow(1, "b", schema=None)
        with explorer.open_sample_result(1, "c", schema=None) as reader:
            reader.read_all()
        assert limits == [*tried, tried[-1], tried[-1]]


def test_completeness_follows_the_limit_that_was_sent():
    with refusing(10_000, rows=10_000) as (explorer, _):
        with pytest.warns(TruncatedResultWarning, match="exactly limit=10000 rows"):
            frame = explorer.read_sample_result(1, "a", schema=None)
        assert provenance(frame).complete is False
        with pytest.raises(IncompleteResultError) as caught:
            explorer.export_sample_result(1, "a", "memory://stepped.parquet", schema=None)
        assert "does not accept a larger limit" in caught.value.hint


def test_a_limit_of_the_caller_is_sent_once():
    with refusing(10_000) as (explorer, limits):
        with pytest.raises(BadRequestError, match="ErrParam"):
            explorer.read_sample_result(1, "a", 50_000, schema=None)
        assert limits == [50_000]


def test_a_request_that_is_refused_with_every_limit_raises_the_first_error():
    with refusing(0) as (explorer, limits):
        with pytest.raises(BadRequestError, match=re.escape("ErrParam: limit")):
            explorer.read_sample_result(1, "a", schema=None)
        assert limits == [EVERYTHING, 10**6, 10**5, 10**4]
        with pytest.raises(BadRequestError):
            explorer.read_sample_result(1, "a", schema=None)
        assert len(limits) == 8  # nothing was learned from refusals alone


@pytest.mark.parametrize(("code", "error"), [(40404000, NotFoundError), (40004000, BadRequestError)])
def test_another_error_is_not_a_refused_limit(code, error):
    with refusing(0, code=code) as (explorer, limits):
        with pytest.raises(error):
            explorer.read_sample_result(1, "a", schema=None)
        assert limits == [EVERYTHING]
