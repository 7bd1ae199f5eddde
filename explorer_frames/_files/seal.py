"""Write and verify the checksum of a file, which is stored in its metadata.

The checksum is a SHA-256, and is verified before the file is parsed. Its 64 hex digits are stored under a separate key.
A Parquet file contains them once, in its footer. A Feather file contains them twice, because its schema is stored at
the start and in the footer. For hashing, the digits are replaced by zeros.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa

from explorer_frames._files.formats import ARROW, PARQUET, Format, by_magic

SEAL = b"explorer_frames.seal"
BLANK = b"0" * 64

_LOG = logging.getLogger("explorer_frames")
_LENGTH = 4  # size in bytes of the length field of a footer or message
_HEAD = 16  # size in bytes of what precedes the schema in a Feather file: padded magic, continuation marker and length
_DIGITS: dict[Format | None, re.Pattern[bytes]] = {  # patterns of the digits in each format
    "parquet": re.compile(re.escape(SEAL) + rb"\x18\x40([0-9a-f]{64})"),
    "feather": re.compile(rb"\x40\0\0\0([0-9a-f]{64})\0\0\0\0\x14\0\0\0" + re.escape(SEAL) + rb"\0"),
}
_LEFT_OUT = re.compile(re.escape(SEAL) + b".{0,16}" + BLANK + b"|" + BLANK + b".{0,16}" + re.escape(SEAL), re.DOTALL)
_PIECE = 2**20


class Seal:
    """Incremental checksum of a file that is being written."""

    def __init__(self, path: str, layout: Format) -> None:
        # `close` replaces this text with the digits. It is random, so that it does not match other metadata.
        self.placeholder = secrets.token_hex(len(BLANK) // 2).encode()
        self._path = path
        self._count = 2 if layout == "feather" else 1
        self._total = hashlib.sha256()
        self._done = 0

    def follow(self) -> None:
        """Hash the bytes written since the last call. They must not change afterwards."""
        with open(self._path, "rb") as file:  # noqa: PTH123 (paths are plain strings here)
            file.seek(self._done)
            while piece := file.read(_PIECE):
                self._total.update(piece)
                self._done += len(piece)

    def close(self) -> None:
        """Hash the remaining bytes and write the digits."""
        with open(self._path, "r+b") as file:  # noqa: PTH123
            places = _places(file)
            if {*places.values()} - {self.placeholder}:
                raise ValueError("the metadata contains a reserved checksum marker")
            if len(places) != self._count:
                # pyarrow changed the layout of the metadata. The checksum is optional, so it is left blank.
                replace(self._path, self.placeholder, BLANK)
                _LOG.debug("no checksum in %s: unsupported metadata layout of Arrow %s", self._path, pa.__version__)
                return
            _fill(file, places, BLANK)
            self.follow()
            _fill(file, places, self._total.hexdigest().encode())


def is_intact(file: BinaryIO) -> bool | None:
    """Return whether the checksum is valid, or None if the file has no checksum."""
    places = _places(file)
    digits = {*places.values()}
    if digits - {BLANK}:
        return digits == {_hash(file, places)}
    # `Seal.close` left the checksum blank.
    return any(_LEFT_OUT.search(text) for _, text in _metadata(file)[1]) or None


def replace(path: str, old: bytes, new: bytes) -> None:
    """Replace bytes in the metadata of a file with other bytes of the same length."""
    if len(old) != len(new):
        raise ValueError(f"the checksum has {len(new)} bytes, expected {len(old)}")
    with open(path, "r+b") as file:  # noqa: PTH123
        for start, text in _metadata(file)[1]:
            place = text.find(old)
            if place >= 0:
                file.seek(start + place)
                file.write(new)


def _places(file: BinaryIO) -> dict[int, bytes]:
    """Return the digits and their positions in the file."""
    layout, pieces = _metadata(file)
    places = {}
    for start, text in pieces:
        # Column statistics may contain the same bytes. They precede the metadata, so the last match is used.
        for match in list(_DIGITS[layout].finditer(text))[-1:]:
            places[start + match.start(1)] = match[1]
    return places


def _fill(file: BinaryIO, places: Iterable[int], digits: bytes) -> None:
    for place in places:
        file.seek(place)
        file.write(digits)
    file.flush()


def _metadata(file: BinaryIO) -> tuple[Format | None, list[tuple[int, bytes]]]:
    """Return the format of a file, and the position and content of its metadata blocks."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD)
    layout = by_magic(head)
    if layout is None:
        return None, []
    pieces = []
    if layout == "feather":
        pieces.append((_HEAD, file.read(_number(head[-_LENGTH:]))))
    end = size - len(ARROW if layout == "feather" else PARQUET) - _LENGTH
    file.seek(max(0, end))
    start = max(0, end - _number(file.read(_LENGTH)))
    file.seek(start)
    return layout, [*pieces, (start, file.read(max(0, end - start)))]


def _number(content: bytes) -> int:
    return max(0, int.from_bytes(content, "little", signed=True))


def _hash(file: BinaryIO, places: Iterable[int]) -> bytes:
    """Hash the file with zeros in place of the digits."""
    total = hashlib.sha256()
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    for place in places:
        _feed(total, file, place - file.tell())
        total.update(BLANK)
        file.seek(len(BLANK), os.SEEK_CUR)
    _feed(total, file, size - file.tell())
    return total.hexdigest().encode()


def _feed(total: hashlib._Hash, file: BinaryIO, count: int) -> None:
    while count > 0:
        piece = file.read(min(count, _PIECE))
        total.update(piece)
        count -= len(piece) or count
