"""Progress bars in terminals and notebooks, and the `progress` argument."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

from explorer_frames._errors import escaped
from explorer_frames.errors import ConfigError

Progress: TypeAlias = "bool | Callable[[Any], object] | None"


class Done(NamedTuple):
    """How far something is, as a bar shows it."""

    label: str
    done: int
    total: int
    states: Mapping[str, int]


def check_progress(progress: object) -> None:
    """Raise ConfigError unless the argument is True, False, None or a function."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise ConfigError(f"progress must be True, False, None or a function: {escaped(progress, 60)}")


@contextmanager
def progress_bar(progress: Progress, unit: str, how_far: Callable[[Any], Done]) -> Iterator[Callable[[Any], object]]:
    """Give a function that shows each new state of something.

    Parameters
    ----------
    progress
        None shows a bar where a person looks, True everywhere, False nowhere; a function is used as it is.
    unit
        What is counted.
    how_far
        Reads a state.
    """
    if callable(progress) or progress is False:
        yield progress or (lambda _: None)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm warns where a notebook has no widgets, and draws text there
        from tqdm.auto import tqdm  # noqa: PLC0415 (not needed to import us)
        from tqdm.notebook import tqdm_notebook  # noqa: PLC0415

        in_notebook = issubclass(tqdm, tqdm_notebook)
        if sys.stderr is None and not in_notebook:  # as in pythonw and in some services
            yield lambda _: None
            return
        bar = tqdm(unit=unit, disable=False if progress or in_notebook else None, leave=False)
    with bar:

        def show(state: Any) -> None:
            label, bar.n, bar.total, states = how_far(state)
            bar.set_description_str(label, refresh=False)
            bar.set_postfix(states)

        yield show
