"""Options of a sandbox."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from os import PathLike
from typing import Final, Literal, get_args

AuthEncoding = Literal["json", "colon", "both"]
IdType = Literal["string", "number"]
ErrorStatus = Literal["200", "mapped"]
OutputStyle = Literal["csv", "engine"]

_CHOICES: Final = {
    "auth_encoding": get_args(AuthEncoding),
    "id_type": get_args(IdType),
    "http_status_of_errors": get_args(ErrorStatus),
    "output_style": get_args(OutputStyle),
}
_LEAST: Final = {"token_life": 0, "task_seconds": 0, "output_parts": 1, "limit_cap": 1}


@dataclass(repr=False, eq=False)
class Options:
    """Options of a sandbox, as documented in `Sandbox`."""

    port: int = 0
    host: str = "127.0.0.1"
    _: KW_ONLY
    user: str = "root"
    password: str = "nebula"  # noqa: S105 - NebulaGraph's default, not a secret
    graphd: str = "127.0.0.1:9669"
    token_life: float = 259_200
    one_token_per_user: bool = False
    auth_encoding: AuthEncoding = "both"
    task_seconds: float = 0.0
    limit_cap: int | None = None
    id_type: IdType = "string"
    http_status_of_errors: ErrorStatus = "200"
    pretty: bool = False
    gzip: bool = False
    outputs_dir: str | PathLike[str] | None = None
    output_parts: int = 2
    output_header: bool = False
    output_style: OutputStyle = "csv"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if name == "limit_cap" and value is None:
                continue
            if not isinstance(value, int | float) or isinstance(value, bool) or not value >= least:
                raise ValueError(f"{name} must be at least {least}, got {value!r}")
