"""HTTP as RFC 9110 and 9112 define it: dates, content codings, connection reuse, and errors of proxies and files."""

from __future__ import annotations

import gzip
from email.utils import formatdate

import pytest
from faultbench.rawserver import answer, envelope
from served import served

from explorer_frames._http.retries import retry_after_seconds
from explorer_frames.errors import ServerError

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
GOOD = answer(envelope())


# --- Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
        ("Sun Nov  6 08:49:47 1994", 10),
        ("sun, 06 nov 1994 08:49:47 gmt", 10),
        (" Sun, 06 Nov 1994 08:49:47 GMT ", 10),
        ("Sun, 06 Nov 1994 09:49:47 +0100", 10),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e1", None),
        ("7 s", None),
        ("7, 8", None),
        ("\xb2", None),
        ("Sun, 06 Nov 1994", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Foo 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 25:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999", None),
        (",,,", None),
        ("GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_in_any_of_three_formats(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


def test_a_fraction_of_a_second_is_rounded_up_to_the_date():
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:47 GMT", NOW + 0.4) == 10


@pytest.fixture
def sleeps(monkeypatch):
    """Every sleep before another try, in place of sleeping, on a clock that stands still."""
    slept = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    monkeypatch.setattr("explorer_frames._http.transport.time.time", lambda: NOW)
    return slept


@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:44 GMT", "Sunday, 06-Nov-94 08:49:44 GMT", "Sun Nov  6 08:49:44 1994"]
)
@pytest.mark.parametrize("status", ["503 Busy", "429 Slow Down"])
def test_a_date_in_retry_after_is_waited_for(date, status, sleeps):
    busy = answer(b"", status, f"Retry-After: {date}\r\n")
    with served(lambda number, _: GOOD if number else busy) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", 1000)) == 2
    assert sleeps == [7]


def test_a_date_that_is_too_far_away_ends_the_call_at_once(sleeps):
    busy = answer(b"", "503 Busy", f"Retry-After: {formatdate(NOW + 3600, usegmt=True)}\r\n")
    with served(busy) as (server, explorer), pytest.raises(ServerError) as caught:
        explorer.read_sample_result(1, "a")
    assert (len(server.requests), sleeps) == (1, [])
    assert "3600 s" in caught.value.hint


@pytest.mark.parametrize("header", ["Sun, 06 Nov 1994 08:49:30 GMT", "Sun, 06 Nov", "tomorrow"])
def test_a_date_in_the_past_or_an_invalid_one_adds_no_wait(header, sleeps):
    busy = answer(b"", "503 Busy", f"Retry-After: {header}\r\n")
    with served(lambda number, _: GOOD if number else busy) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", 1000)) == 2
    assert sleeps == [0]


# --- Content-Encoding


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "X-GZip", " GZIP \t", "x-gzip  ", "\tx-gzip"])
@pytest.mark.parametrize("times", [1, 3])
def test_any_spelling_of_gzip_is_decompressed(coding, times):
    body = gzip.compress(envelope())
    said = answer(body, headers=f"Content-Encoding:{coding}\r\n")
    with served(said, keep_alive=True) as (server, explorer):
        for _ in range(times):
            assert explorer.read_sample_result(1, "a", 1000)["id"].tolist() == ["a", "b"]
            assert explorer.read_sample_result_arrow(1, "a", 1000).num_rows == 2
        assert server.connections == 1
