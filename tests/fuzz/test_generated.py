"""Run the fuzz targets on generated inputs, which are mostly valid."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import fuzz_csv
import fuzz_envelope
from differential import CUTS, READINGS
from hypothesis import given, note, strategies as st

if TYPE_CHECKING:
    from random import Random

# By default, Hypothesis makes each choice, so it can minimize a failing input. For a million examples, it draws only
# seeds, which is many times faster.
CHANCES = st.randoms(use_true_random=os.environ.get("HYPOTHESIS_PROFILE") == "release")

_LETTERS = 'a,"\\[]\n\ré😀0'
_FLOATS = [0.0, -0.0, 0.1, 1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, float("inf"), float("nan")]
_ODD = [
    "",
    None,
    " 1",
    "1_0",
    "0x10",
    "007",
    "-0",
    "+1",
    ".5",
    "1.",
    "nan(1)",
    "1e400",
    "1e39",
    "128",
    "2" * 20,
    "2026-02-30",
    "TRUE ",
]
_CHANGES = [b"", b'"', b'""', b"\\", b"]", b"[", b",", b"\n", b"\r", b"x", b"\xff", b"\x00", b"}", b"\xc3\xa9"]


def _text(chance: Random) -> str:
    return "".join(_letter(chance) for _ in range(chance.randint(0, 6)))


def _letter(chance: Random) -> str:
    if chance.randint(0, 3):
        return chance.choice(_LETTERS)
    code = chance.randrange(0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)  # skips surrogates


def _int(chance: Random) -> str:
    return str(chance.randint(0, 2**7 - 1) if chance.randint(0, 1) else chance.randint(-(2**63), 2**63 - 1))


def _number(chance: Random) -> str | None:
    kind = chance.randint(0, 4)
    if kind == 0:
        return None
    if kind == 1:  # mostly small integers, because those above 2**53 are rejected
        return str(chance.choice([1, -1]) * chance.randint(0, 2 ** chance.choice([7, 7, 24, 53, 53, 54])))
    if kind == 4:
        return _midpoint(chance)
    bits = chance.getrandbits(64).to_bytes(8, "little")
    return repr(chance.choice(_FLOATS) if kind == 2 else struct.unpack("<d", bits)[0])


def _midpoint(chance: Random) -> str:
    """Return a number halfway between two neighboring float32 values, or within 1e-80 of it."""
    step = Fraction(2) ** max(-149, chance.randint(-160, 100))
    middle = (2 * chance.randint(0, 2**24 - 1) + 1) * step / 2
    digits = 10**250  # enough decimals for 2**-150
    scaled = middle * digits + chance.choice([-1, 0, 1])
    assert scaled.denominator == 1
    text = str(scaled.numerator)
    return f"{chance.choice(['', '-', '+'])}{text}e-250"


def _odd(chance: Random) -> str | None:
    return chance.choice([lambda chance: chance.choice(_ODD), _number, _text])(chance)


def _bool(chance: Random) -> str:
    return chance.choice(["true", "false", "True", "FALSE"])


def _date(chance: Random) -> str:
    return f"{chance.choice([1, 1969, 2024, 2026, 9999]):04}-{chance.randint(1, 12):02}-{chance.randint(1, 29):02}"


def _time(chance: Random) -> str:
    fraction = f".{chance.randint(0, 999):03}"[: chance.randint(0, 4)].removesuffix(".")
    return f"{_date(chance)}{chance.choice('T ')}{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:59{fraction}"


def _zoned(chance: Random) -> str:
    return _time(chance) + chance.choice(["Z", "+00:00", "-23:59", "+08:00", "+08:00", ""])


def _decimal(chance: Random) -> str:
    text = format(chance.randint(-(10**6), 10**6) / 10 ** chance.randint(0, 4), f".{chance.randint(0, 4)}f")
    return text + "0" * chance.randint(0, 2) * ("." in text)


_CELLS = {
    "string": _text,
    "category": _text,
    "double": _number,
    "float": _number,
    "bool": _bool,
    "date32[day]": _date,
    "timestamp[ms]": _time,
    "timestamp[us, tz=UTC]": _zoned,
    "decimal128(5, 2)": _decimal,
}


def _table(chance: Random) -> tuple[str, list[list[str | None]]]:
    """Return the letter of a schema and rows that match it, except for one row at most."""
    letter = chance.choice(sorted(READINGS))
    kinds = chance.choice(READINGS[letter].shapes)
    tail = [kinds[-1]] * chance.randint(0, 3) if kinds[-1].startswith("*") else []
    names = [kind.strip("*?") for kind in [*kinds[: len(kinds) - bool(tail)], *tail]]
    rows = [[_CELLS.get(name, _int)(chance) for name in names] for _ in range(chance.randint(0, 4))]
    if rows and chance.randint(0, 2) == 0:
        rows[chance.randrange(len(rows))] = [_odd(chance) for _ in range(chance.randint(0, 5))]
    return letter, rows


def _changed(chance: Random, text: bytes) -> bytes:
    """Return the text; in one of four cases, a few bytes are changed."""
    if not text or chance.randint(0, 3):
        return text
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(_CHANGES) + text[at + chance.randint(0, 2) :]


def _json_input(chance: Random) -> bytes:
    letter, rows = _table(chance)
    data = [("items", rows), ("total", 3), ("more", {"items": [["x", "1"]]})]
    chance.shuffle(data)
    envelope = [("code", 0), ("data", dict(data)), ("message", '"items":[["'), ("items", [["y"]])]
    chance.shuffle(envelope)
    separators = chance.choice([(",", ":"), (", ", ": "), ("\n,", " :")])
    text = json.dumps(dict(envelope), ensure_ascii=bool(chance.randint(0, 1)), separators=separators).encode()
    return (letter + chance.choice(CUTS)).encode() + _changed(chance, text)


def _csv_input(chance: Random) -> bytes:
    letter, rows = _table(chance)
    quoting, end = chance.choice([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n")])
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)
    head = chance.choice(["", "", "\ufeff", "VID,VALUE\n"])
    return (letter + chance.choice(CUTS)).encode() + _changed(chance, (head + file.getvalue()).encode())


@given(chance=CHANCES)
def test_generated_answers_are_read_as_the_oracle_reads_them(chance):
    data = _json_input(chance)
    note(repr(data))
    fuzz_envelope.check(data)


@given(chance=CHANCES)
def test_generated_parts_are_read_as_the_oracle_reads_them(chance):
    data = _csv_input(chance)
    note(repr(data))
    fuzz_csv.check(data)
