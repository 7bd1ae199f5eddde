"""Published error codes, and the exception for error responses."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Published error codes, with their published names."""

    ErrBadRequest = 40004000
    ErrParam = 40004001
    ErrUnauthorized = 40104000
    ErrSession = 40104001
    ErrNotFound = 40404000
    ErrInternalServer = 50004000


class Fault(Exception):  # noqa: N818 - a response to the client, not an error of the library
    """Error response with a published code."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.message = f"{code.name}: {detail}"

    @property
    def http_status(self) -> int:
        """First three digits of the code, as an HTTP status."""
        return self.code // 100_000
