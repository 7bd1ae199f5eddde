"""Reading a result again as text, where the columns that its number of columns decided on do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from explorer_frames._caller import warn_caller
from explorer_frames.errors import ColumnTypeError, SchemaWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_frames.schemas import SchemaRequest

_T = TypeVar("_T")


def read_or_as_text(schema: SchemaRequest, read: Callable[[SchemaRequest], _T], where: str) -> _T:
    """Read with a schema; if a cell does not fit and no algorithm is known, read as text and warn."""
    try:
        return read(schema)
    except ColumnTypeError as error:
        if not error.may_be_text:
            raise
        refused = error
    result = read(schema.as_text())
    warn_caller(
        f"the columns that their number decides on do not fit: {refused.what}; all columns are read as text "
        f"[{refused.where or where}]. Pass schema= to name the columns.",
        SchemaWarning,
    )
    return result
