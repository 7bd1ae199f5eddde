"""The Explorer that commands talk to: the environment, and what the command line says besides."""

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

    @cached_property
    def _sources(self) -> Sources:
        given = {name: value for name, value in self.options.items() if name in SETTINGS}
        return Sources(self.options.get("profile"), **given)

    def _asks(self) -> bool:
        """Whether a login has all but its password, and somebody is there."""
        if not is_terminal(sys.stdin):
            return False
        try:
            missing = [name for name in LOGIN if self._sources.find(name) is None]
            return missing == ["password"] and not self._sources.uses_token()
        except ConfigError:
            return False  # raised again by what needs the settings

    def _password(self) -> str:
        import getpass

        user, password = self._sources.find("user"), ""
        with suppress(EOFError):  # Ctrl-D
            password = getpass.getpass(f"Password of {printable(user and user.value)}: ")
        if not password:
            raise ConfigError("missing password", hint=f"Type it, or set {variable('password')}.")
        return password
