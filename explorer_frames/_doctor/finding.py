"""Findings of `doctor`, and checks with a timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from explorer_frames import _html
from explorer_frames.errors import ExplorerFramesError

_POLL_INTERVAL = 0.2  # seconds

State: TypeAlias = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check of `Explorer.doctor`.

    Attributes
    ----------
    name : str
        Name of the check, such as ``"login"``.
    state : str
        ``"ok"``, ``"warning"``, ``"problem"`` or ``"skipped"``.
    what : str
        One-line result of the check.
    hint : str or None
        Recommended action, if any.

    Examples
    --------
    >>> explorer.doctor()["http"]
    Finding(name='http', state='ok', what='the NebulaGraph Explorer API responded', hint=None)
    """

    name: str
    state: State
    what: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Diagnosis:
    """Results of `Explorer.doctor`, which can be indexed by the name of a check.

    Attributes
    ----------
    url : str
        URL of the server.
    findings : tuple of Finding
        Findings in the order of the checks.

    Examples
    --------
    >>> diagnosis = explorer.doctor()
    >>> diagnosis.ok, diagnosis["login"].state
    (True, 'ok')
    >>> [finding.hint for finding in diagnosis.problems]
    []
    """

    url: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no check found a problem."""
        return not self.problems

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Findings with the state ``"problem"``."""
        return tuple(finding for finding in self.findings if finding.state == "problem")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings with the state ``"warning"``."""
        return tuple(finding for finding in self.findings if finding.state == "warning")

    def __getitem__(self, name: str) -> Finding:
        found = next((finding for finding in self.findings if finding.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as a JSON-serializable dict.

        The keys are ``url``, ``problems`` and ``warnings`` (counts), and ``findings`` (a list of dicts).
        """
        counts = {"problems": len(self.problems), "warnings": len(self.warnings)}
        return {"url": self.url, **counts, "findings": [asdict(finding) for finding in self.findings]}

    def __repr__(self) -> str:
        lines = [f"<Diagnosis of {self.url}: {self.summary}>"]
        width = max((len(finding.name) for finding in self.findings), default=0)
        for finding in self.findings:
            lines.append(f"{finding.state:<7}  {finding.name:<{width}}  {finding.what}")
            lines += [" " * (width + 11) + line for line in (finding.hint or "").splitlines()]
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """Number of problems and warnings, such as ``"no problems, 1 warning"``."""
        counts = {"problem": len(self.problems), "warning": len(self.warnings)}
        return ", ".join(f"{count or 'no'} {word}{'s' * (count != 1)}" for word, count in counts.items())

    def _repr_html_(self) -> str:
        rows = [(finding.state, finding.name, finding.what, finding.hint or "") for finding in self.findings]
        return _html.grid(f"Diagnosis of {self.url}", self.summary, ("state", "check", "result", "what to do"), rows)


def ok(name: str, what: str) -> Finding:
    """Return a finding with the state ``"ok"``."""
    return Finding(name, "ok", what)


def problem(name: str, error: ExplorerFramesError) -> Finding:
    """Return a finding with the message and hint of an error."""
    where = f" [{error.where}]" if error.where else ""
    return Finding(name, "problem", f"{error.what}{where}", error.hint)


def found(name: str, seconds: float, check: Callable[[], Finding]) -> Finding:
    """Run a check in a thread, and return its finding or a finding for its error or timeout.

    Name resolution and storage drivers can block without a timeout. A daemon thread does not delay the exit of the
    process.
    """
    results: list[Finding | Exception] = []

    def work() -> None:
        try:
            results.append(check())
        except ExplorerFramesError as error:
            results.append(problem(name, error))
        except Exception as error:  # noqa: BLE001 (raised in the calling thread)
            results.append(error)

    thread = threading.Thread(target=work, name=f"doctor-{name}", daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < end:  # on Windows, Ctrl-C does not interrupt a long wait
        thread.join(min(_POLL_INTERVAL, seconds))
    if not results:
        hint = "Retry. If the timeout recurs, check the load of the server and the network."
        return Finding(name, "problem", f"no result within {seconds:g} s", hint)
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]
