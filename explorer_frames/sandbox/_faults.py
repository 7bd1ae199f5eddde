"""The published error codes, and the exception that carries one to the envelope."""

from __future__ import annotations

from typing import Final

ERR_BAD_REQUEST: Final = 40004000
ERR_PARAM: Final = 40004001
ERR_UNAUTHORIZED: Final = 40104000
ERR_SESSION: Final = 40104001
ERR_NOT_FOUND: Final = 40404000
ERR_INTERNAL_SERVER: Final = 50004000

_NAMES: Final = {
    ERR_BAD_REQUEST: "ErrBadRequest",
    ERR_PARAM: "ErrParam",
    ERR_UNAUTHORIZED: "ErrUnauthorized",
    ERR_SESSION: "ErrSession",
    ERR_NOT_FOUND: "ErrNotFound",
    ERR_INTERNAL_SERVER: "ErrInternalServer",
}


class Fault(Exception):  # noqa: N818 - an answer to the client, not an error of ours
    """A refusal, as the client will see it.

    Parameters
    ----------
    code
        One of the published codes above.
    detail
        What was wrong, for a person.
    """

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.message = f"{_NAMES[code]}: {detail}"

    @property
    def http_status(self) -> int:
        """The HTTP status that the code's first three digits read as."""
        return self.code // 100_000
