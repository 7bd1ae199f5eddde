"""The Explorer that commands talk to: the environment, and what the command line says besides."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from explorer_frames._errors import printable
from explorer_frames.cli._text import is_terminal
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from explorer_frames import Explorer, Task

_PASSWORD, _TOKEN = "EXPLORER_FRAMES_PASSWORD", "EXPLORER_FRAMES_TOKEN"

_LOGIN = {"user": "EXPLORER_FRAMES_USER", "graphd": "EXPLORER_FRAMES_GRAPHD"}


@dataclass
class Connection:
    """What the root options said.

    Attributes
    ----------
    options
        For `Explorer`, as far as they were given.
    debug
        Whether errors come with a traceback.
    """

    options: dict[str, Any] = field(default_factory=dict)
    debug: bool = False

    @cached_property
    def explorer(self) -> Explorer:
        """The one of this command; what cannot work is refused before a password is asked for."""
        from explorer_frames import Explorer

        if not self._asks():
            return Explorer(**self.options)
        password = functools.cache(self._password)
        explorer = Explorer(**self.options, password=password)
        password()
        return explorer

    def arguments(self) -> dict[str, Any]:
        """For `Explorer`: where a login has all but its password, and somebody is there, it is asked for."""
        return {**self.options, "password": self._password()} if self._asks() else self.options

    def task(self, job_id: str, name: str) -> Task:
        """Find a task of a job by its id, or by its name where no other task has it."""
        return self.explorer.job(job_id).task(name)

    def _login(self) -> list[str | None]:
        return [self.options.get(name) or os.environ.get(variable) for name, variable in _LOGIN.items()]

    def _asks(self) -> bool:
        login = "user" in self.options or "graphd" in self.options or not os.environ.get(_TOKEN)
        return login and all(self._login()) and not os.environ.get(_PASSWORD) and is_terminal(sys.stdin)

    def _password(self) -> str:
        import getpass

        password = ""
        with suppress(EOFError):  # Ctrl-D
            password = getpass.getpass(f"Password of {printable(self._login()[0])}: ")
        if not password:
            raise ConfigError("no password was given", hint=f"Type it, or set {_PASSWORD}.")
        return password
