"""Run many small cases within one test, because a test item for each would be slow."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def each(names: str | tuple[str, ...], values: Iterable[Any], ids: Any = None) -> Callable[[Callable], Callable]:
    """Parametrize a test like `pytest.mark.parametrize`, but run all cases in one item.

    The cases share the fixtures of the test. All failures are raised together.
    """
    names = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    cases = [value if len(names) > 1 else (value,) for value in values]
    labels = [*map(repr, cases)] if ids is None or callable(ids) else [*map(str, ids)]
    assert cases

    def decorate(test: Callable) -> Callable:
        @functools.wraps(test)
        def all_cases(**fixtures: Any) -> None:
            failures, skips = [], []
            for case, label in zip(cases, labels, strict=True):
                try:
                    test(**fixtures, **dict(zip(names, case, strict=True)))
                except pytest.skip.Exception as skip:
                    skips.append(skip)
                except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 (all failures are raised below)
                    failure.add_note(f"case {label[:300]}")
                    failures.append(failure)
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases failed", failures)
            if len(skips) == len(cases):
                raise skips[0]

        kept = [one for name, one in inspect.signature(test).parameters.items() if name not in names]
        all_cases.__signature__ = inspect.Signature(kept)
        return all_cases

    return decorate
