"""Create an `Explorer` from command-line options and the environment."""

from __future__ import annotations

import functools
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from explorer_frames._errors import printable
from explorer_frames._http.profiles import LOGIN, SETTINGS, Sources, variable
from explorer_frames.cli._text import is_terminal
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from explorer_frames import Explorer, Task


@dataclass
class Connection:
    """Connection settings of a command."""

    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of `Explorer`
    debug: bool = False  # whether to print tracebacks

    @cached_property
    def explorer(self) -> Explorer:
        """Create the `Explorer` on first use, and prompt for a missing password."""
        from explorer_frames import Explorer

        if not self._asks():
            return Explorer(**self.options)
        password = functools.cache(self._password)
        explorer = Explorer(**self.options, password=password)  # validates the settings before the prompt
        password()
        return explorer

    def arguments(self) -> dict[str, Any]:
        """Prompt for a missing password, and return the arguments of `Explorer`."""
        return {**self.options, "password": self._password()} if self._asks() else self.options

    def task(self, job_id: str, name: str) -> Task:
        """Return a task of a job by id or unique name."""
        return self.explorer.job(job_id).task(name)

    @cached_property
    def _sources(self) -> Sources:
        given = {name: value for name, value in self.options.items() if name in SETTINGS}
        return Sources(self.options.get("profile"), **given)

    def _asks(self) -> bool:
        """Return whether the password is the only missing setting and stdin is a terminal."""
        if not is_terminal(sys.stdin):
            return False
        try:
            found = self._sources.found
            return "token" not in found and [name for name in LOGIN if name not in found] == ["password"]
        except ConfigError:
            return False  # `Explorer` raises this error again

    def _password(self) -> str:
        import getpass

        password = ""
        with suppress(EOFError):  # Ctrl-D
            password = getpass.getpass(f"Password for {printable(self._sources.found['user'].value)}: ")
        if not password:
            raise ConfigError("missing password", hint=f"Enter the password, or set {variable('password')}.")
        return password
