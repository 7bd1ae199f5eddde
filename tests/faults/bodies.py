"""Faults in response bodies that are received completely, with the valid outcomes.

The tables contain plain data, so other tests also use them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from faults.rawserver import answer, envelope
from faults.records import GOLDEN, RAISES, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = envelope()
PUBLISHED = b'{"code":0,"data":{"items":[["player110","0.150000"],["team219","0.452126"]]},"message":"Success"}'


def wrap(items: str, before: str = "", after: str = "") -> bytes:
    return f'{{"code":0,{before}"data":{{"items":{items}}},"message":"ok"{after}}}'.encode()


# --- invalid bodies, which must be rejected

INVALID = {
    "empty": b"",
    "white space": b" \n",
    "HTML": b"<!DOCTYPE html><html><body>Login</body></html>",
    "cut": PUBLISHED[:-1],
    "junk behind": PUBLISHED + b"x",
    "two documents": PUBLISHED + PUBLISHED,
    "BOM": b"\xef\xbb\xbf" + PUBLISHED,
    "UTF-16": PUBLISHED.decode().encode("utf-16"),
    "array": b"[" + PUBLISHED + b"]",
    "string": b'"ok"',
    "number": b"0",
    "null": b"null",
    "code twice": PUBLISHED.replace(b'"message"', b'"code":0,"message"'),
    "data twice": wrap("[]", after=',"data":{"items":[["a","1"]]}'),
    "items twice": b'{"code":0,"data":{"items":[["a","1.5"]],"items":[["a","1.5"]]}}',
    "items twice, empty first": b'{"code":0,"data":{"items":[],"items":[["a","1"]]}}',
    "items twice, empty last": b'{"code":0,"data":{"items":[["a","1"]],"items":[]}}',
    "nested key twice": wrap("[]", before='"x":{"a":1,"a":2},'),
    "key twice by escape": PUBLISHED.replace(b'"message"', b'"c\\u006fde":0,"message"'),
    "code twice, error first": PUBLISHED.replace(b'"code":0', b'"code":50004000,"code":0'),
    "NaN member": wrap("[]", before='"x":NaN,'),
    "Infinity behind": wrap("[]", after=',"x":-Infinity'),
    "NaN cell": wrap('[["a",NaN]]'),
    "no code": b'{"data":{"items":[["a","1"]]}}',
    "code text": PUBLISHED.replace(b":0,", b':"0",'),
    "code float": PUBLISHED.replace(b":0,", b":0.0,"),
    "code false": PUBLISHED.replace(b":0,", b":false,"),
    "code null": PUBLISHED.replace(b":0,", b":null,"),
    "code of 5000 digits": PUBLISHED.replace(b":0,", b":" + b"1" * 5000 + b","),
    "no data": b'{"code":0,"message":"Success"}',
    "data null": b'{"code":0,"data":null}',
    "data array": b'{"code":0,"data":[["a","1"]]}',
    "no items": b'{"code":0,"data":{}}',
    "items null": b'{"code":0,"data":{"items":null}}',
    "items object": b'{"code":0,"data":{"items":{"a":"1"}}}',
    "items text": b'{"code":0,"data":{"items":"[[]]"}}',
    "items false": b'{"code":0,"data":{"items":false}}',
    "row object": wrap('[{"id":"a","score":"1"}]'),
    "row object later": wrap('[["a","1"],{"id":"b"},["c","2"]]'),
    "row object with list": wrap('[["a","1"],{"id":["b","3"]},["c","2"]]'),
    "row text": wrap('["a","1"]'),
    "row text of two letters": wrap('[["a","1"],"b2"]'),
    "row number later": wrap('[["a","1"],5,["b","2"]]'),
    "row null": wrap('[["a","1"],null]'),
    "row true later": wrap('[["a","1"],true,["b","2"]]'),
    "row nested": wrap('[[["a","1"]]]'),
    "row empty": wrap("[[]]"),
    "row empty later": wrap('[["a","1"],[]]'),
    "cell list": wrap('[["a",["1"]]]'),
    "cell list later": wrap('[["a","1"],["b",["2"]]]'),
    "cell object": wrap('[["a",{"x":"1"}]]'),
    "cell true": wrap('[["a",true]]'),
    "id true": wrap('[[true,"1"]]'),
    "id list": wrap('[[["a"],"1"]]'),
    "id null": wrap('[[null,"1.5"]]'),
    "id null later": wrap('[["a","1.5"],[null,"1.5"]]'),
    "short row": wrap('[["a","1"],["b"]]'),
    "short row first": wrap('[["a"],["b","1"]]'),
    "long row": wrap('[["a","1"],["b","2","3"]]'),
    "long row first": wrap('[["a","1","2"],["b","2"]]'),
    "long row with null": wrap('[["a","1"],["b","2",null]]'),
    "comma at end": wrap('[["a","1"],]'),
    "comma at start": wrap('[,["a","1"]]'),
    "two commas": wrap('[["a","1"],,["b","2"]]'),
    "comma in row": wrap('[["a","1",]]'),
    "no comma": wrap('[["a","1"]["b","2"]]'),
    "no comma in row": wrap('[["a" "1"]]'),
    "semicolon": wrap('[["a","1"];["b","2"]]'),
    "semicolon in row": wrap('[["a";"1"],["b","2"]]'),
    "letter for comma": wrap('[["a"x"1"],["b","2"]]'),
    "letter behind row": wrap('[["a","1"]x["b","2"]]'),
    "wrong bracket": wrap('[["a","1"},["b","2"]]'),
    "single quotes": wrap("[['a','1']]"),
    "comment": wrap('[["a","1"]/*x*/]'),
    "raw newline in id": wrap('[["a\nb","1"]]'),
    "raw NUL in id": wrap('[["a\x00b","1"]]'),
    "raw tab in id, later": wrap('[["a","1"],["b\tc","1"]]'),
    "bad escape": wrap('[["a\\x","1"]]'),
    "short escape": wrap('[["a\\u12","1"]]'),
    "lone surrogate": wrap('[["\\ud800","1"]]'),
    "lone surrogate later": wrap('[["a","1"],["\\udc00x","1"]]'),
    "surrogates swapped": wrap('[["\\udc00\\ud800","1"]]'),
    "CESU surrogate bytes": wrap('[["X","1"]]').replace(b"X", b"\xed\xa0\x80"),
    "invalid UTF-8": wrap('[["X","1"]]').replace(b"X", b"\xff"),
    "overlong UTF-8": wrap('[["X","1"]]').replace(b"X", b"\xc0\xaf"),
    "cut UTF-8": wrap('[["X","1"]]').replace(b"X", b"\xe4\xb8"),
    "beyond Unicode": wrap('[["X","1"]]').replace(b"X", b"\xf5\x80\x80\x80"),
    "Latin-1": '{"code":0,"data":{"items":[["caf\xe9","1.5"],["na\xefve","2.5"]]}}'.encode("latin-1"),
    "GB18030": '{"code":0,"data":{"items":[["\u7403\u5458","1.5"],["\u961f","2.5"]]}}'.encode("gb18030"),
    "invalid UTF-8 in score": wrap('[["a","X"]]').replace(b"X", b"\x80"),
    "invalid UTF-8 in head": wrap("[]", before='"x":"X",').replace(b"X", b"\xff"),
    "invalid UTF-8 in tail": wrap("[]", after=',"x":"X"').replace(b"X", b"\xff"),
    "leading zero number": wrap('[["a",01]]'),
    "plus number": wrap('[["a",+1]]'),
    "hex number": wrap('[["a",0x1]]'),
    "bare dot": wrap('[["a",1.]]'),
    "bare word": wrap('[["a",nan]]'),
    "number too large": wrap('[["a",1e400]]'),
    "deep": wrap("[" * 10_000 + "]" * 10_000),
    "deep head": wrap("[]", before='"x":' + "[" * 100_000 + "]" * 100_000 + ","),
    "deep tail": wrap("[]", after=',"x":' + '{"a":' * 100_000 + "1" + "}" * 100_000),
    "deep in a row": wrap('[["a",' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "]]"),
    "a million empty lists": wrap("[" + ",".join(["[]"] * 1_000_000) + "]"),
    "items never closed": b'{"code":0,"data":{"items":[["a","1"]',
    "row never closed": b'{"code":0,"data":{"items":[["a","1"],["b"',
    "string never closed": b'{"code":0,"data":{"items":[["a","1"],["b',
    "closed too early": b'{"code":0,"data":{"items":[["a","1"]]}',
    "closed too often": PUBLISHED + b"}",
}  # fmt: skip

# Invalid bodies that a more lenient client may accept: the rows that it may return, and the reason.
_PUBLISHED_ROWS = (("player110", 0.15), ("team219", 0.452126))
_SAME_TWICE = "RFC 8259 only says that names SHOULD be unique; both members say the same, so no row is wrong"
LAX = {
    "BOM": (_PUBLISHED_ROWS, "RFC 8259, 8.1: a parser MAY ignore a byte order mark"),
    "UTF-16": (_PUBLISHED_ROWS, "JSON of before RFC 8259 allowed it, and its mark tells it for certain"),
    "code twice": (_PUBLISHED_ROWS, _SAME_TWICE),
    "key twice by escape": (_PUBLISHED_ROWS, _SAME_TWICE),
    "items twice": ((("a", 1.5),), _SAME_TWICE),
    "nested key twice": ((), "RFC 8259 only says that names SHOULD be unique, and this one is not part of the result"),
    "id null": (((None, 1.5),), "the API says nothing of a missing id; one that stays missing is no lie"),
    "id null later": ((("a", 1.5), (None, 1.5)), "the API says nothing of a missing id; one that stays missing is no lie"),
    "code float": (_PUBLISHED_ROWS, "RFC 8259 has one kind of number: 0.0 is 0"),
    "code text": (_PUBLISHED_ROWS, "the API's own tables give numbers as text elsewhere; it can be read only one way"),
    "Latin-1": ((("caf\xe9", 1.5), ("na\xefve", 2.5)), "JSON is UTF-8; who guesses the charset and is right tells no lie"),
    "GB18030": ((("\u7403\u5458", 1.5), ("\u961f", 2.5)), "JSON is UTF-8; who guesses the charset and is right tells no lie"),
    "deep head": ((), "valid JSON, beside the rows; RFC 8259 lets a parser limit depth, and does not ask it to"),
    "deep tail": ((), "valid JSON, beside the rows; RFC 8259 lets a parser limit depth, and does not ask it to"),
    "invalid UTF-8 in head": ((), "not one character of the result is hurt"),
    "invalid UTF-8 in tail": ((), "not one character of the result is hurt"),
}  # fmt: skip

# --- ids that must be returned unchanged

IDS = [
    "", "007", "+7", "NA", "null", "nan", "None", "0", "1e5", "0x10", "True", "a,b", 'a"b', "a\\b", "\\", '"', '],["', "a],[b", "]]}}", "[[", "a\nb",
    "a\r\nb", "a\tb", "\x00", "\x1f", "\x7f", " lead", "trail ", "\u00e9", "e\u0301", "\u540d\u524d", "\U0001f600", "\u2028", "\u202eRTL", "\ufeff", "\ud7ff",
    "\ue000", "\uffff", "\U0010ffff", "x" * 100_000, "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "18446744073709551616", "1" * 400, "2024-01-01", "=1+1", "../..", "%00", "\\u0041",
]  # fmt: skip

# --- valid and invalid texts of scores

GOOD_FLOATS = [
    "0", "-0", "-0.0", "1", "+1.5", "1.", ".5", "1e5", "1E-5", "1e+5", "00012", "0.150000", "1.477629166666667e-01", "nan", "NaN", "-nan", "inf",
    "-Infinity", "INFINITY", "+inf", "9007199254740992", "-009007199254740992", "9007199254740993.0", "9.223372036854775807e18", "1e-400", "4.9e-324",
    "0.1", "1.7976931348623157e308", "0." + "0" * 400 + "1",
]  # fmt: skip
BAD_FLOATS = [
    "", " ", " 1", "1 ", "\t1", "1\n", "\u00a01", "1_0", "1,5", "1,000", "0x10", "0x1p3", "0b1", "1e", "1e+", "--1", "+-1", ".", "e5", "1d5", "1f", "infi",
    "nan(1)", "nan()", "snan", "1e400", "-1e400", "1e99999999999", "\u0661", "\uff11", "\u00bd", "1\x00", "player7", "NA", "N/A", "None", "null", "true", "-",
    "1.0.0", "\u221e", "\u22121", "n", "i", "+", "in", "infinit", "1/2", "1%", "$1", "50004000 error", "2024-01-01",
    "9007199254740993", "-9007199254740994", "+09007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1" * 300,
]  # fmt: skip
_SPACED = {"\u00a01": 1.0, " 1": 1.0, "1 ": 1.0, "\t1": 1.0, "1\n": 1.0}

# --- statuses and codes

STATUSES = [200, 201, 204, 206, 301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503, 504]
CODES = ["0", '"0"', "0.0", "false", "null", "missing", "40104001", "40404000", "50004000", "50004003", "999"]


def coded(code: str, body: bytes = envelope()) -> bytes:
    """Return an envelope with another code."""
    return body.replace(b'"code":0', f'"code":{code}'.encode(), 1).replace(b'"code":missing,', b"")


def damaged(body: bytes, headers: str = "") -> Iterator[Fault]:
    """Yield faults that make an envelope invalid, but leave its rows unchanged."""
    for name, wrong in {
        "cut": body[:-1],
        "junk behind": body + b"x",
        "two documents": body * 2,
        "BOM": b"\xef\xbb\xbf" + body,
        "UTF-16": body.decode().encode("utf-16"),
        "array": b"[" + body + b"]",
        "NaN member": body.replace(b'"code"', b'"x":NaN,"code"', 1),
        "code twice": body.replace(b'"code":0', b'"code":50004000,"code":0', 1),
        "data twice": body.replace(b'"data"', b'"data":{},"data"', 1),
        "data null": b'{"code":0,"data":null}',
        "data array": b'{"code":0,"data":[]}',
        "data text": b'{"code":0,"data":"{}"}',
        "no data": b'{"code":0}',
        "deep data": b'{"code":0,"data":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_001,
        "invalid UTF-8": body.replace(b"Success", b"\xff"),
        "lone surrogate as a name": body.replace(b'"code"', b'"\\ud800":1,"code"', 1).replace(
            b'"data"', b'"dat\\ud800"'
        ),
        "comma at the end": body[:-1] + b",}",
        "single quotes": body.replace(b'"', b"'"),
    }.items():
        yield Fault(name=f"envelope: {name}", group="body", wire=answer(wrong, headers=headers))


def faults() -> Iterator[Fault]:
    for name, body in INVALID.items():
        rows, why = LAX.get(name, (None, ""))
        yield Fault(name=name, group="body", wire=answer(body), also=(rows,) if rows is not None else (), why=why)
    yield from _valid()
    yield from _ids()
    yield from _scores()
    yield from _numbers()
    yield from statuses(envelope(), GOLDEN)
    yield from _pages()


def _valid() -> Iterator[Fault]:
    """Yield unusual but valid bodies, which must be accepted."""
    one = (("a", 1.5),)
    odd = {
        "as published": (PUBLISHED, _PUBLISHED_ROWS),
        "no rows": (wrap("[]"), ()),
        "no rows, spaced": (b'{ "code" : 0 , "data" : { "items" : [ ] } }', ()),
        "one row": (wrap('[["a","1.5"]]'), one),
        "data before code": (b'{"data":{"items":[["a","1.5"]]},"code":0}', one),
        "more lists behind": (b'{"data":{"items":[["a","1.5"]],"more":[["z","9"]]},"code":0}', one),
        "decoy items": (
            b'{"items":[["z","9"]],"code":0,"data":{"x":{"items":[["z","9"]]},"items":[["a","1.5"]]}}',
            one,
        ),
        "decoy in text": (b'{"x":"\\"data\\":{\\"items\\":[[","code":0,"data":{"items":[["a","1.5"]]}}', one),
        "keys escaped": (b'{"c\\u006fde":0,"d\\u0061ta":{"\\u0069tems":[["a","1.5"]]}}', one),
        "white space": (b'\n { "code" :\t0 ,\r\n "data" : { "items" : [ [ "a" , "1.5" ] ] } } \n', one),
        "ids escaped": (b'{"code":0,"data":{"items":[["\\u0061","1.5"]]}}', one),
        "scores escaped": (b'{"code":0,"data":{"items":[["a","\\u0031.5"]]}}', one),
        "code minus zero": (b'{"code":-0,"data":{"items":[["a","1.5"]]}}', one),
        "slash escaped": (wrap('[["a\\/b","1.5"]]'), (("a/b", 1.5),)),
        "pair of surrogates": (wrap('[["\\ud83d\\ude00","1.5"]]'), (("\U0001f600", 1.5),)),
        "message null": (b'{"code":0,"data":{"items":[["a","1.5"]]},"message":null}', one),
        "no message": (b'{"code":0,"data":{"items":[["a","1.5"]]}}', one),
        "ids that repeat": (wrap('[["a","1.5"],["a","1.5"],["a","2"]]'), (*one, *one, ("a", 2.0))),
        "scores that are all whole": (wrap('[["a","1"],["b","2"]]'), (("a", 1.0), ("b", 2.0))),
        "ids that are all digits": (wrap('[["1","0.5"],["2","1.5"]]'), (("1", 0.5), ("2", 1.5))),
        "message in Chinese": (wrap('[["a","1.5"]]').replace(b'"ok"', '"\u6210\u529f"'.encode()), one),
    }
    for name, (body, rows) in odd.items():
        yield Fault(name=f"valid: {name}", group="body", wire=answer(body), rows=rows)
    refused = "the API says nothing of a missing score: refusing it tells no lie"
    for name, items, rows in (
        ("score null", '[["a",null],["b","1.5"]]', (("a", None), ("b", 1.5))),
        ("all scores null", '[["a",null],["b",null]]', (("a", None), ("b", None))),
    ):
        yield Fault(name=name, group="body", wire=answer(wrap(items)), rows=rows, also=(RAISES,), why=refused)
    ten = tuple((f"n{number}", 0.5) for number in range(10))
    items = [[name, "0.5"] for name, _ in ten]
    for limit in (9, 5, 1):
        yield Fault(
            name=f"10 rows for a limit of {limit}",
            group="rows",
            wire=answer(wrap(json.dumps(items))),
            limit=limit,
            also=(ten,),
            why="all rows that were sent, and none lost; only cutting them silently would hide that the server erred",
        )
    for limit in (10, 11, 1000):
        yield Fault(
            name=f"10 rows for a limit of {limit}",
            group="rows",
            wire=answer(wrap(json.dumps(items))),
            limit=limit,
            rows=ten,
        )


def _ids() -> Iterator[Fault]:
    for ascii_only in (True, False):
        for index, text in enumerate(IDS):
            if ascii_only and text.isascii() and text.isprintable() and not set(text) & set('"\\'):
                continue  # no character is escaped, so both bodies are the same
            items = json.dumps([["before", "0.5"], [text, "0.5"]], ensure_ascii=ascii_only)
            name = f"id {index}: {ascii(text)[1:21]}{' escaped' * ascii_only}"
            rows = (("before", 0.5), (text, 0.5))
            yield Fault(name=name, group="id", wire=answer(wrap(items)), rows=rows)


def _scores() -> Iterator[Fault]:
    plain = set("0123456789.")
    for text in GOOD_FLOATS:
        rows = (("a", 0.5), ("b", float(text)))
        underflow = not rows[1][1] and text.strip("-0.") != ""
        usual = (
            not underflow
            and set(text) <= {*plain, "e", "-"}
            and text[0] != "."
            and text[-1] != "."
            and text[:2] != "00"
        )
        yield Fault(
            name=f"score {text[:24]}",
            group="score",
            wire=answer(wrap(json.dumps([["a", "0.5"], ["b", text]]))),
            rows=rows,
            also=() if usual else (RAISES,),
            why="" if usual else "no grammar of scores is published: a client may know fewer spellings, and refuse",
        )
    for index, text in enumerate(BAD_FLOATS):
        value = _SPACED.get(text)
        yield Fault(
            name=f"bad score {index}: {ascii(text)[1:-1]}",
            group="score",
            wire=answer(wrap(json.dumps([["a", "0.5"], ["b", text]]))),
            also=() if value is None else ((("a", 0.5), ("b", value)),),
            why="" if value is None else "white space around a number changes no value",
        )


def _numbers() -> Iterator[Fault]:
    """Yield bodies with JSON numbers instead of strings, which are read exactly or rejected."""
    why = "the API promises text: a client may refuse a number"
    for text in ("1", "0.5", "-0.0", "1e3", "9007199254740993", "18446744073709551616", "1e-400", "1" * 300):
        items = f'[["a","0.5"],["b",{text}]]'
        rows = RAISES if text.isdigit() and int(text) > 2**53 else (("a", 0.5), ("b", float(text)))
        yield Fault(
            name=f"score as number {text[:24]}",
            group="number",
            wire=answer(wrap(items)),
            rows=rows,
            also=(RAISES,),
            why=why,
        )
    for text in (
        "7",
        "0",
        "-1",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551616",
        "1" * 400,
        "1.0",
        "1e3",
        "1.10",
    ):
        items = f'[["a","0.5"],[{text},"0.5"]]'
        rows = (("a", 0.5), (text, 0.5))
        yield Fault(
            name=f"id as number {text[:24]}",
            group="number",
            wire=answer(wrap(items)),
            rows=rows,
            also=(RAISES,),
            why=why,
        )


def statuses(body: bytes, rows: Any, headers: str = "") -> Iterator[Fault]:
    """Yield each combination of status and code, with a valid body."""
    for status in STATUSES:
        for code in CODES:
            success = code == "0" and status not in NOT_WHOLE and not 300 <= status < 400
            why = LAX_CODES.get(code, "") if status == 200 else CODE_FIRST if success else ""
            other = RAISES if success else rows
            location = "Location: /elsewhere\r\n" if 300 <= status < 400 else ""
            yield Fault(
                name=f"status {status}, code {code}",
                group="status",
                wire=answer(coded(code, body), f"{status} X", headers + location),
                rows=rows if success else RAISES,
                also=(other,) if why else (),
                why=why,
            )


def _pages() -> Iterator[Fault]:
    for status in (600, 999):
        yield Fault(
            name=f"code 0 under status {status}",
            group="status",
            wire=answer(envelope(), f"{status} X"),
            rows=GOLDEN,
            also=(RAISES,),
            why=CODE_FIRST,
        )
    pages = {
        "HTML under 200": (b"<!DOCTYPE html><html>Login</html>", 200),
        "HTML under 401": (b"<html>401</html>", 401),
        "HTML under 502": (b"<html>502 Bad Gateway</html>", 502),
        "nothing under 500": (b"", 500),
        "text under 503": (b"upstream connect error", 503),
        "no data under code 0, error in message": (b'{"code":0,"message":"the job has no result"}', 200),
        "error with data": (b'{"code":40404000,"message":"no","data":{"items":[["a","1"]]}}', 200),
        "error behind data": (b'{"data":{"items":[["a","1.5"],["b","2.5"]]},"code":40404000}', 200),
        "error behind empty data": (b'{"data":{"items":[]},"code":50004000,"message":"no"}', 200),
        "error with data null": (b'{"code":40404000,"message":"no","data":null}', 200),
        "error with data as items": (b'{"code":40104001,"data":{"items":[["session expired"]]}}', 200),
        "another API": (b'{"status":"ok","result":[["a","1"]]}', 200),
    }
    for name, (body, status) in pages.items():
        yield Fault(name=name, group="status", wire=answer(body, f"{status} X"))


NOT_WHOLE = (204, 206)
CODE_FIRST = "the API's documents have code 0 as success and name no status: a client that goes by the status refuses"
LAX_CODES = {'"0"': LAX["code text"][1], "0.0": LAX["code float"][1]}
