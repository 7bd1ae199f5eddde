"""Damaged parts: every cut, and flipped bits, are an error or change nothing."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import zstandard  # pyarrow's own zstd writes no checksum
from isal import isal_zlib
from limits import PROCESS
from memory import memory_added
from platforms import needs_proc_status

from explorer_frames import open_output, read_output_arrow
from explorer_frames._outputs import parts
from explorer_frames._storage.failures import DAMAGED
from explorer_frames.errors import DecodeError, ExplorerFramesError, FileReadError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    (f'player{number}"é,\n' if number % 9 == 0 else f"player{number}", f"0.{number * 7919 % 10**6:06}")
    for number in range(30)
]
TEXT = "".join(
    f'"{vid.replace(chr(34), chr(34) * 2)}",{score}\n' if "," in vid else f"{vid},{score}\n" for vid, score in ROWS
).encode()
PACKED = {
    ".gz": gzip.compress(TEXT, mtime=0),
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress(TEXT),
    "-unchecked.zst": pa.compress(TEXT, codec="zstd", asbytes=True),
}


def read(path: Path) -> list[dict]:
    return read_output_arrow(path, schema="pagerank").to_pylist()


def try_to_read(path: Path) -> list[dict] | ExplorerFramesError:
    try:
        return read(path)
    except ExplorerFramesError as error:
        return error


WHOLE = [{"id": vid, "score": float(score)} for vid, score in ROWS]


@pytest.mark.parametrize("suffix", PACKED)
def test_every_cut_of_a_compressed_part_is_found(tmp_path, suffix):
    path, packed = tmp_path / f"part{suffix}", PACKED[suffix]
    path.write_bytes(packed)
    assert read(path) == WHOLE
    for size in range(len(packed)):
        path.write_bytes(packed[:size])
        with pytest.raises(FileReadError) as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_every_cut_of_the_second_of_two_members_is_found(tmp_path, suffix):
    path, packed = tmp_path / f"part{suffix}", PACKED[suffix]
    path.write_bytes(packed * 2)
    assert read(path) == WHOLE * 2
    for size in range(len(packed) + 1, 2 * len(packed)):
        path.write_bytes((packed * 2)[:size])
        with pytest.raises(FileReadError):
            read(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize(
    "behind", [b"\0", b"\0" * 512, b"a", b"a,1\n", b"\x1f\x8b", b"\x28\xb5\x2f", b"\x1f\x8b\x08" + b"\0" * 7]
)
def test_trailing_bytes_after_compressed_part_raise_an_error(tmp_path, suffix, behind):
    path = tmp_path / f"part{suffix}"
    path.write_bytes(PACKED[suffix] + behind)
    with pytest.raises(FileReadError):
        read(path)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_every_cut_of_a_plain_part_within_a_line_is_found(tmp_path, step):
    """What no reader can see is a cut just behind the end of a line."""
    path = tmp_path / "part.csv"
    for size in range(0, len(TEXT), step):
        path.write_bytes(TEXT[:size])
        found = try_to_read(path)
        if isinstance(found, list):
            assert TEXT[:size].endswith(b"\n") or size == 0
            assert found == WHOLE[: len(found)]
        else:
            assert isinstance(found, FileReadError | DecodeError)  # a line end in quotes may be the last one
            assert str(path) in str(found)
            assert not TEXT[:size].endswith(b"\n") or '"' in TEXT[:size].decode().splitlines()[-1]


@pytest.mark.parametrize("tries", [200, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_flipped_bits_are_never_silent(tmp_path, suffix, tries):
    path, packed, seeded = tmp_path / f"part{suffix}", PACKED[suffix], random.Random(20_260_101)
    errors = 0
    for _ in range(tries):
        damaged = bytearray(packed)
        for _ in range(seeded.choice([1, 1, 2, 8])):
            bit = seeded.randrange(8 * len(damaged))
            damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        answer = try_to_read(path)
        if isinstance(answer, ExplorerFramesError):
            assert str(path) in str(answer)
            errors += 1
        else:
            assert answer == WHOLE
    assert errors > 0.92 * tries


@pytest.mark.parametrize("library", [zlib, isal_zlib])
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_errors_of_damaged_parts_advise_to_copy_the_file_again(tmp_path, suffix, library, monkeypatch):
    monkeypatch.setattr(parts, "isal_zlib", library)
    path, packed = tmp_path / f"part{suffix}", PACKED[suffix]
    hints = []
    for place in range(20, len(packed), 7):
        path.write_bytes(packed[:place] + bytes([packed[place] ^ 0xFF]) + packed[place + 1 :])
        error = try_to_read(path)
        hints += [error.hint] * isinstance(error, FileReadError)  # damage may also decompress to other rows
    assert len(hints) > 10
    assert {*hints} == {DAMAGED}


@pytest.mark.parametrize("library", [zlib, isal_zlib])
@pytest.mark.parametrize("size", [1, 3, 2**17])
def test_members_of_any_size_are_decompressed(tmp_path, library, size, monkeypatch):
    monkeypatch.setattr(parts, "isal_zlib", library)
    monkeypatch.setattr(parts, "_COMPRESSED", size)
    monkeypatch.setattr(parts, "_PIECE", 2 * size)
    path = tmp_path / "part.gz"
    path.write_bytes(b"".join(gzip.compress(TEXT[:-1], level) + gzip.compress(b"\n") for level in (1, 9)))
    assert read(path) == WHOLE * 2
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileReadError, match="ended before"):
        read(path)


def header(flags: int) -> bytes:
    """Return a gzip header with all fields that the flags name."""
    begin = b"\x1f\x8b\x08" + bytes([flags]) + bytes(4) + b"\0\xff"
    begin += b"\x02\0ab" * bool(flags & 4) + b"part.csv\0" * bool(flags & 8) + b"comment\0" * bool(flags & 16)
    return begin + (zlib.crc32(begin) & 0xFFFF).to_bytes(2, "little") * bool(flags & 2)


@pytest.mark.parametrize("library", [zlib, isal_zlib])
@pytest.mark.parametrize("size", [1, 11, 2**17])
def test_members_with_any_header_are_read(tmp_path, library, size, monkeypatch):
    monkeypatch.setattr(parts, "isal_zlib", library)
    monkeypatch.setattr(parts, "_COMPRESSED", size)
    path = tmp_path / "part.gz"
    for flags in range(0, 32, 2):
        path.write_bytes((header(flags) + PACKED[".gz"][10:]) * 2)
        assert read(path) == WHOLE * 2
    for flags in (32, 64, 128):
        path.write_bytes(header(flags) + PACKED[".gz"][10:])
        with pytest.raises(FileReadError):
            read(path)


@pytest.mark.parametrize("library", [zlib, isal_zlib])
def test_small_members_are_joined_to_large_batches(tmp_path, library, monkeypatch):
    monkeypatch.setattr(parts, "isal_zlib", library)
    path = tmp_path / "part.gz"
    path.write_bytes(gzip.compress(b"a,1\n" * 10) * 5000)
    with open_output(path, schema="pagerank") as reader:
        rows = [batch.num_rows for batch in reader]
    assert sum(rows) == 50_000
    assert len(rows) < 10


def test_damaged_later_part_reports_the_rows_read_before(tmp_path):
    text = b"a,1\n" * 1_000_000
    (tmp_path / "0.gz").write_bytes(gzip.compress(b"a,1\n"))
    (tmp_path / "1.gz").write_bytes(gzip.compress(text, 1)[:-3])
    with pytest.raises(FileReadError, match=r"after line [1-9][0-9]{5}") as caught:
        read(tmp_path)
    assert str(tmp_path / "1.gz") in str(caught.value)


@pytest.mark.parametrize("name", ["part.gz", "part.zst"])
def test_a_plain_part_that_is_called_compressed_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(TEXT)
    with pytest.raises(FileReadError):
        read(tmp_path / name)


# --- memory, threads and the end of the process, each in a process of its own

EXPORT = """
import gzip, sys
from pathlib import Path
import pyarrow.parquet
import explorer_frames

folder, rows = Path(sys.argv[1]), int(sys.argv[2])
piece = gzip.compress("".join(f"player{n},0.{n:06}\\n" for n in range(100_000)).encode(), 1)
for number in range(2):
    with open(folder / f"part-{number}.gz", "wb") as file:
        for _ in range(rows // 200_000):
            file.write(piece)
(folder / "small").mkdir()
(folder / "small" / "0").write_text("a,1\\n" * 300_000)
explorer_frames.export_output(folder / "small", folder / "out.parquet", schema="pagerank")
before = peak()
assert explorer_frames.export_output(f"{folder}/part-*", folder / "out.parquet", schema="pagerank").rows == rows
print(peak() - before)
"""
LEFT = """
import sys, explorer_frames
reader = explorer_frames.open_output(sys.argv[1], schema="pagerank")
stream = reader.__enter__()
stream.read_next_batch()
print("left")
"""


@pytest.mark.slow
@needs_proc_status
def test_twenty_million_rows_add_less_than_100_mb(tmp_path):
    assert memory_added(EXPORT, tmp_path, 20_000_000) < 100


def test_a_process_that_leaves_a_reader_in_the_middle_ends(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.gz").write_bytes(gzip.compress(b"a,1\n" * 2_000_000, 1))
    command = [sys.executable, "-c", LEFT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS, check=True)
    assert done.stdout == "left\n"
