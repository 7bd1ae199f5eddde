"""Reports: violations by category and surface, with the number of attempts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from faults.records import ANYTHING

from faultbench.attempt import WRITING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from faults.records import Fault

    from faultbench.attempt import Outcome
    from faultbench.runner import Results

ZEROS = ("silent-wrong", "partial", "leak", "hang", "double-submit", "untyped", "interrupt", "crash/crossing")


EITHER = (
    "cuts",
    "manifests",
    "low resources",
)  # both an error and a result are correct


@dataclass(frozen=True)
class Count:
    """Number of violations, and of attempts."""

    bad: int
    of: int

    def __str__(self) -> str:
        return f"{self.bad:,}/{self.of:,}" if self.of else "-"


def zeros(results: Results) -> dict[str, Count]:
    """Return the violations of a client by category."""
    outcomes = results.outcomes
    reads = [outcome for outcome in outcomes if outcome.mode not in ("export", "run")]
    written = [outcome for outcome in outcomes if outcome.mode in WRITING]
    runs = _of(outcomes, "run")
    interrupts = [outcome for outcome in outcomes if outcome.left is not None]
    raised = [outcome for outcome in outcomes if outcome.raised]
    crashes = sum(outcome.verdict == "crash" for outcome in outcomes)
    return {
        "silent-wrong": Count(sum(outcome.verdict == "wrong" for outcome in reads), len(reads)),
        "partial": Count(sum(outcome.partial for outcome in written), len(written)),
        "leak": Count(sum(bool(outcome.leaks) for outcome in outcomes), len(outcomes)),
        "hang": Count(sum(outcome.verdict == "hang" for outcome in outcomes), len(outcomes)),
        "double-submit": Count(sum(outcome.posts > 1 for outcome in runs), len(runs)),
        "untyped": Count(sum(outcome.untyped for outcome in raised), len(raised)),
        "interrupt": Count(sum(bool(outcome.left) for outcome in interrupts), len(interrupts)),
        "crash/crossing": Count(crashes + results.crossed, len(outcomes) + results.crossings),
    }


def rest(results: Results, faults: Sequence[Fault]) -> dict[str, Count]:
    """Count valid responses that were rejected, and results that are correct but not preferred."""
    must = {f.name for f in faults if f.rows is not None and f.rows is not ANYTHING and None not in f.also}
    reads = [outcome for outcome in results.outcomes if outcome.mode not in ("export", "run")]
    rights = [outcome for outcome in reads if outcome.fault in must]
    return {
        "refused": Count(sum(outcome.verdict == "refused" for outcome in rights), len(rights)),
        "by right": Count(
            sum(outcome.verdict == "by right" and outcome.group not in EITHER for outcome in reads), len(reads)
        ),
    }


def _of(outcomes: Iterable[Outcome], mode: str) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.mode == mode]


def table(all_results: Sequence[Results], faults: Sequence[Fault]) -> str:
    """Return a table with a row for each client."""
    rows = [["client", *ZEROS, "refused", "by right", "s"]]
    for results in all_results:
        counts = zeros(results) | rest(results, faults)
        rows.append([results.client, *map(str, counts.values()), f"{results.seconds:.0f}"])
    return _aligned(rows)


def surfaces(all_results: Sequence[Results], faults: Sequence[Fault]) -> str:
    """Return a table with a row for each surface: attempts and violations of each client."""
    rows = [["surface", *(f"{results.client}: attempts, violations" for results in all_results)]]
    counts = [_by_surface(results.outcomes) for results in all_results]
    for name in dict.fromkeys(fault.group for fault in faults):
        shown = [count.get(name, Count(0, 0)) for count in counts]
        rows.append([name, *(f"{one.of:,} {one.bad:>4,}" for one in shown)])
    return _aligned(rows)


def _by_surface(outcomes: Iterable[Outcome]) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    for outcome in outcomes:
        before = counts.get(outcome.group, Count(0, 0))
        counts[outcome.group] = Count(before.bad + bool(faulty(outcome)), before.of + 1)
    return counts


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def faulty(outcome: Outcome) -> list[str]:
    """Return the categories that an outcome violates."""
    return [
        *["silent-wrong"] * (outcome.verdict == "wrong" and outcome.mode not in ("export", "run")),
        *["partial"] * outcome.partial,
        *[f"leak ({', '.join(sorted(set(outcome.leaks)))})"] * bool(outcome.leaks),
        *["double-submit"] * (outcome.posts > 1),
        *["untyped"] * outcome.untyped,
        *[f"interrupt ({', '.join(outcome.left or ())})"] * bool(outcome.left),
        *[outcome.verdict] * (outcome.verdict in ("hang", "crash")),
        *["refused"] * (outcome.verdict == "refused" and outcome.mode not in ("export", "run")),
    ]


def details(results: Results, most: int) -> Iterator[str]:
    """Yield a line for each violation."""
    yield from (f"  late, repeated alone: {name}" for name in results.repeated)
    bad = [outcome for outcome in results.outcomes if faulty(outcome)]
    for outcome in bad[:most]:
        why = "; ".join(faulty(outcome))
        yield f"  {outcome.group}: {outcome.fault} [{outcome.mode}] -> {why}: {ascii(outcome.said)[1:-1]}"
    if len(bad) > most:
        yield f"  ... and {len(bad) - most} more"


def as_json(all_results: Sequence[Results], faults: Sequence[Fault]) -> dict[str, Any]:
    """Return all results as JSON."""
    return {
        "table": f"{table(all_results, faults)}\n\n{surfaces(all_results, faults)}",
        "clients": {
            results.client: {
                **{name: [count.bad, count.of] for name, count in (zeros(results) | rest(results, faults)).items()},
                "surfaces": {name: [count.bad, count.of] for name, count in _by_surface(results.outcomes).items()},
                "faulty": [
                    {**asdict(outcome), "why": faulty(outcome)} for outcome in results.outcomes if faulty(outcome)
                ],
                "by right": {
                    o.fault: o.said
                    for o in results.outcomes
                    if o.verdict == "by right" and o.mode == "read" and o.group not in EITHER
                },
                "repeated": results.repeated,
                "seconds": results.seconds,
            }
            for results in all_results
        },
    }
