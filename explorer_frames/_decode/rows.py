"""Text of the items array -> pieces of whole rows: where one row ends and the next begins.

Most pieces are *regular*: every cell a string, no white space. There the positions of the quotes say everything, and
`_decode` builds columns straight from them. Any other piece is cut just as exactly, by the brackets outside strings,
and left to a strict JSON parser. No cut is a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer_frames._decode.strict_json import strict_loads
from explorer_frames.errors import DecodeError, RowShapeError, escaped

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    _Positions: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.intp]]

SPACE = b" \t\n\r"
_NO_LIST = "Each element of `items` must be an array: this is no result of a graph algorithm."
_FEW = 64  # cells in which the first row has most likely ended
_NEXT_CELL, _NEXT_ROW = b',"', b'],["'  # from behind the close of one string to the open of the next
_QUOTE, _OPEN, _CLOSE, _BACKSLASH, _FIRST_PRINTABLE = b'"[]\\ '


@dataclass(frozen=True, slots=True)
class Rows:
    """Some whole rows of the result, as they stand in the answer.

    Attributes
    ----------
    data
        Their text, ``["a","1"],["b","2"]``.
    first
        Number of the first of them in the result, from 0.
    count
        How many they are.
    quotes
        Where the text is regular: the positions of all its quotes, open and close in turn, every row with
        ``quotes.size / 2 / count`` cells. None where it has to be parsed.
    """

    data: bytes
    first: int
    count: int
    quotes: NDArray[np.intp] | None


def cut(data: bytes, first: int) -> Rows | None:
    """All whole rows at the start of `data`, with the white space before them; None where not one is whole."""
    start = len(data) - len(data.lstrip(SPACE))
    if start == len(data):
        return None
    if data[start] != _OPEN:
        raise RowShapeError(
            f"row {first} is not a list of cells: {escaped(data[start : start + 20].decode('latin-1'))!r} stands there",
            row=first,
            hint=_NO_LIST,
        )
    return _cut_regular(data, first) or _cut_any(data, first)


def _cut_regular(data: bytes, first: int) -> Rows | None:
    """Cut by the quotes alone; None unless the rows in `data` are regular, but for the last few.

    Between two cells of a row stands ``","``, between two rows ``"],["``: so the few characters behind every other
    quote prove the structure of the whole piece at once.
    """
    if not data.startswith(b'["'):
        return None
    text = np.frombuffer(data, np.uint8)
    quotes = _unescaped_quotes(text) if b"\\" in data else np.flatnonzero(text == _QUOTE)
    closes = _closes_by_row(text, quotes[1::2])
    count = _count_regular(text, closes)
    if not count:
        return None
    size = int(closes[count - 1, -1]) + 2
    if text[:size].min() < _FIRST_PRINTABLE:
        return None
    return Rows(data[:size], first, count, quotes[: 2 * count * closes.shape[1]])


def _closes_by_row(text: NDArray[np.uint8], closes: NDArray[np.intp]) -> _Positions:
    """Arrange the closing quotes by rows as long as the first one; no rows where it is not whole."""
    closes = closes[: np.searchsorted(closes, text.size - 1)]  # behind a close there has to be something
    width = next(filter(None, (_width(text, some) for some in (closes[:_FEW], closes))), 0)
    count = closes.size // width if width else 0
    return closes[: count * width].reshape(count, width or 1)


def _width(text: NDArray[np.uint8], closes: NDArray[np.intp]) -> int:
    """Cells up to the first that a bracket follows; 0 where there is none."""
    ends = text[closes + 1] == _CLOSE
    return int(ends.argmax()) + 1 if ends.any() else 0


def _count_regular(text: NDArray[np.uint8], closes: _Positions) -> int:
    """Count the regular rows at the start; 0 if others follow that have as many strings as one of them, or more."""
    # Copied, since they are gone through again for each character behind them.
    inner, last = np.ascontiguousarray(closes[:, :-1]), np.ascontiguousarray(closes[:, -1])
    in_row, behind = _follows(text, inner, _NEXT_CELL), _follows(text, last[:-1], _NEXT_ROW)
    # Behind the first row that nothing regular follows, only the end of the array may stand, or of the piece. (Were
    # regular rows taken as far as they go, an answer that mixes them with others would cost its square.)
    count = len(last) if behind.all() else int(behind.argmin()) + 1
    end = b"]" if count == len(last) else b"]]"
    ended = count and text[last[count - 1] + 1 :][: len(end)].tobytes() == end
    return count if ended and in_row[:count].all() else 0


def _follows(text: NDArray[np.uint8], places: NDArray[np.intp], what: bytes) -> NDArray[np.bool_]:
    """Whether these characters follow each place."""
    follows: NDArray[np.bool_] = text[1:].take(places, mode="wrap") == what[0]
    for behind, char in enumerate(what[1:], 2):
        # Where this goes beyond the end, a quote stood where a bracket was due. ("wrap" takes less time than "raise".)
        follows &= text[behind:].take(places, mode="wrap") == char
    return follows


def _cut_any(data: bytes, first: int) -> Rows | None:
    """Cut by the brackets outside strings: exact for any JSON. Of rows without nested arrays they alternate."""
    text = np.frombuffer(data, np.uint8)
    brackets = np.flatnonzero((text == _OPEN) | (text == _CLOSE))
    brackets = brackets[np.searchsorted(_unescaped_quotes(text), brackets) % 2 == 0]
    closing = text[brackets] == _CLOSE
    wrong = np.flatnonzero(closing != (np.arange(closing.size) % 2 == 1))
    if wrong.size and wrong[0] == 1:
        raise RowShapeError(
            f"row {first} has a list as a cell", row=first, hint="Every cell of a result must be text or a number."
        )
    count = int(wrong[0] if wrong.size else closing.size) // 2
    return Rows(data[: brackets[2 * count - 1] + 1], first, count, None) if count else None


def _unescaped_quotes(text: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Positions of the quotes that open or close a string: those behind an even number of backslashes."""
    is_quote = text == _QUOTE
    slashes = np.flatnonzero(text == _BACKSLASH)
    if slashes.size:
        starts = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
        lengths = np.diff(starts, append=slashes.size)
        behind = slashes[starts] + lengths
        escapes = behind[(lengths % 2 == 1) & (behind < text.size)]
        is_quote[escapes] = False
    return np.flatnonzero(is_quote)


def parse_rows(rows: Rows) -> list[list[Any]]:
    """Parse rows with a strict JSON parser: the exact way, for any piece.

    Returns
    -------
    list of list
        Cells as str, None, bool, list or dict. A number comes as the text that stood there, so that no digit is lost.

    Raises
    ------
    DecodeError
        Not valid JSON, or a row that is no list.
    """
    try:
        parsed = strict_loads(b"[" + rows.data + b"]", parse_int=str, parse_float=str)
    except DecodeError as error:
        failure = error
    else:
        for number, row in enumerate(parsed, rows.first):
            if type(row) is not list:
                raise RowShapeError(f"row {number} is not a list of cells: {escaped(row)!r}", row=number, hint=_NO_LIST)
        return list(parsed)
    failure.where = f"rows {rows.first} to {rows.first + rows.count - 1}"
    raise failure
