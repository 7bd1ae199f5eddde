"""The published error codes, and the exception that carries one to the envelope."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The published codes, by their published names."""

    ErrBadRequest = 40004000
    ErrParam = 40004001
    ErrUnauthorized = 40104000
    ErrSession = 40104001
    ErrNotFound = 40404000
    ErrInternalServer = 50004000


class Fault(Exception):  # noqa: N818 - an answer to the client, not an error of ours
    """A refusal, as the client will see it.

    Parameters
    ----------
    code
        One of the published codes.
    detail
        What was wrong, for a person.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.message = f"{code.name}: {detail}"

    @property
    def http_status(self) -> int:
        """The HTTP status that the code's first three digits read as."""
        return self.code // 100_000
