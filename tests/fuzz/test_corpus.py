"""Run the fuzz targets on each file of the corpus."""

from __future__ import annotations

from pathlib import Path

import fuzz_csv
import fuzz_envelope
import pytest
from differential import taken_apart

CORPUS = Path(__file__).parent / "corpus"
TARGETS = {"envelope": fuzz_envelope.check, "csv": fuzz_csv.check}
FILES = [path.relative_to(CORPUS).as_posix() for path in sorted(CORPUS.glob("*/*"))]
OTHERS = [b"A", b"D", b"G", b"L", b"P", b"Q"]  # pairs, int64 ids, lists, small types, other types


def replay(name: str, others: list[bytes]) -> None:
    check, data = TARGETS[name.partition("/")[0]], (CORPUS / name).read_bytes()
    assert taken_apart(data) is not None
    for text in [data, *(letter + data[1:] for letter in others)]:
        try:
            check(text)
        except Exception as error:
            error.add_note(f"{name}: {text!r}")
            raise


@pytest.mark.parametrize("target", TARGETS)
def test_handwritten_corpus_files_are_replayed(target):
    written = [name for name in FILES if name.startswith(f"{target}/") and "/found-" not in name]
    assert written
    for name in written:
        replay(name, OTHERS)


@pytest.mark.parametrize("target", TARGETS)
def test_regressions_found_by_fuzzing(target):
    found = [name for name in FILES if name.startswith(f"{target}/found-")]
    assert found
    for name in found:
        replay(name, [])


def test_the_corpus_is_small():
    assert {name.partition("/")[0] for name in FILES} == set(TARGETS)
    assert sum((CORPUS / name).stat().st_size for name in FILES) < 200_000
