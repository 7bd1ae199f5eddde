"""How the sandbox answers where the published documents leave it open."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

AuthEncoding = Literal["json", "colon", "both"]
IdType = Literal["string", "number"]
ErrorStatus = Literal["200", "mapped"]
OutputStyle = Literal["csv", "engine"]

_CHOICES: Final = {
    "auth_encoding": ("json", "colon", "both"),
    "id_type": ("string", "number"),
    "http_status_of_errors": ("200", "mapped"),
    "output_style": ("csv", "engine"),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Credentials and choices of a sandbox; `Sandbox` describes them."""

    user: str
    password: str
    graphd: str
    auth_encoding: AuthEncoding
    limit_cap: int | None
    id_type: IdType
    http_status_of_errors: ErrorStatus
    pretty: bool
    gzip: bool
    output_style: OutputStyle

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name in _CHOICES):
            if getattr(self, name) not in _CHOICES[name]:
                raise ValueError(f"{name} must be one of {_CHOICES[name]}, not {getattr(self, name)!r}")


def check_numbers(**bounds: tuple[object, float]) -> None:
    """Refuse what is no number, or less than it has to be at the least."""
    for name, (value, least) in bounds.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= least:
            raise ValueError(f"{name} must be a number from {least}: {value!r}")
