"""Reading a result again as text, where the columns that its number of columns decided on do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from explorer_frames._caller import warn_caller
from explorer_frames._schemas import FALLBACKS, SchemaRequest
from explorer_frames.errors import ColumnTypeError, RowShapeError, SchemaWarning

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
AS_TEXT = "Pass schema='query' to read every column as text, or a pyarrow.Schema."


def read_or_as_text(schema: SchemaRequest, read: Callable[[SchemaRequest], _T], where: str) -> _T:
    """Read with a schema; if a row does not fit and no algorithm is known, read as text and warn.

    Rows that differ in length are read as one column of lists.
    """
    refused: ColumnTypeError | RowShapeError | None = None
    for attempt in (schema, *FALLBACKS):
        try:
            result = read(attempt)
        except (ColumnTypeError, RowShapeError) as error:
            if not error._may_be_text:  # noqa: SLF001 (our own)
                raise
            refused = refused or error
        else:
            break
    if refused is not None:
        warn_caller(
            f"the columns that their number decides on do not fit: {refused.what}; all columns are read as text "
            f"[{refused.where or where}]. Pass schema= to name the columns.",
            SchemaWarning,
        )
    return result
