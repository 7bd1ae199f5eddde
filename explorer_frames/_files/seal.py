"""The seal: a file's own SHA-256, kept in the file, so that one altered byte anywhere is found before it is parsed.

The 64 hex digits stand in the metadata, under a key of their own: once in a Parquet file's footer, twice in a Feather
file, which has its schema at its start and in its footer. The hash is taken with zeros in their place.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from explorer_frames._files.formats import ARROW, PARQUET, by_magic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from explorer_frames._files.formats import Format

SEAL = b"explorer_frames.seal"
BLANK = b"0" * 64

_LOG = logging.getLogger("explorer_frames")
_LENGTH = 4  # bytes of the number that says how long a footer, or a message, is
_HEAD = 16  # bytes of a Feather file before its schema: magic, padded; a mark that goes on before the length
_DIGITS: dict[Format | None, re.Pattern[bytes]] = {  # in the framing of their format
    "parquet": re.compile(re.escape(SEAL) + rb"\x18\x40([0-9a-f]{64})"),
    "feather": re.compile(rb"\x40\0\0\0([0-9a-f]{64})\0\0\0\0\x14\0\0\0" + re.escape(SEAL) + rb"\0"),
}
_LEFT_OUT = re.compile(re.escape(SEAL) + b".{0,16}" + BLANK + b"|" + BLANK + b".{0,16}" + re.escape(SEAL), re.DOTALL)
_PIECE = 2**20


class Seal:
    """Hashes a file behind its writer, and fills in the digits when it is finished.

    Parameters
    ----------
    path, layout
        Of the file.

    Attributes
    ----------
    placeholder
        What has to stand in the digits' place until then; drawn by lot, so that nothing else is taken for it.
    """

    def __init__(self, path: str, layout: Format) -> None:
        self.placeholder = secrets.token_hex(len(BLANK) // 2).encode()
        self._path = path
        self._count = 2 if layout == "feather" else 1
        self._total = hashlib.sha256()
        self._done = 0

    def follow(self) -> None:
        """Hash what was written meanwhile; none of it may change any more."""
        with open(self._path, "rb") as file:  # noqa: PTH123 (paths are plain strings here)
            file.seek(self._done)
            while piece := file.read(_PIECE):
                self._total.update(piece)
                self._done += len(piece)

    def close(self) -> None:
        """Hash the rest, and fill in the digits; leave the seal out if pyarrow frames metadata in a new way.

        Raises
        ------
        ValueError
            If metadata of the data looks like the seal.
        """
        with open(self._path, "r+b") as file:  # noqa: PTH123
            places = _places(file)
            if {*places.values()} - {self.placeholder}:
                raise ValueError("the metadata contains a reserved checksum marker")
            if len(places) != self._count:
                replace(self._path, self.placeholder, BLANK)
                _LOG.debug("no checksum in %s: unsupported metadata layout of Arrow %s", self._path, pa.__version__)
                return
            _fill(file, places, BLANK)
            self.follow()
            _fill(file, places, self._total.hexdigest().encode())


def holds(file: BinaryIO) -> bool | None:
    """Return whether the file is as it was sealed, or was written without a seal; None if the seal is missing."""
    places = _places(file)
    digits = {*places.values()}
    if digits - {BLANK}:
        return digits == {_hash(file, places)}
    return any(_LEFT_OUT.search(text) for _, text in _metadata(file)[1]) or None


def replace(path: str, old: bytes, new: bytes) -> None:
    """Put as many other bytes in the place of some, wherever they stand in the file's metadata."""
    if len(old) != len(new):
        raise ValueError(f"the checksum has {len(new)} bytes, expected {len(old)}")
    with open(path, "r+b") as file:  # noqa: PTH123
        for start, text in _metadata(file)[1]:
            place = text.find(old)
            if place >= 0:
                file.seek(start + place)
                file.write(new)


def _places(file: BinaryIO) -> dict[int, bytes]:
    """Find where the digits are, and what they are: the last match in each piece, in Parquet behind all statistics."""
    layout, pieces = _metadata(file)
    places = {}
    for start, text in pieces:
        for match in list(_DIGITS[layout].finditer(text))[-1:]:
            places[start + match.start(1)] = match[1]
    return places


def _fill(file: BinaryIO, places: Iterable[int], digits: bytes) -> None:
    for place in places:
        file.seek(place)
        file.write(digits)
    file.flush()


def _metadata(file: BinaryIO) -> tuple[Format | None, list[tuple[int, bytes]]]:
    """Return the format, and where each piece of metadata begins, with its bytes."""
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
    """Hash the file with zeros at those places."""
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
