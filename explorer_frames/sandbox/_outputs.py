"""Write full results as CSV files, in standard CSV or in the engine's format."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from explorer_frames.sandbox._options import Options
from explorer_frames.sandbox._results import Ragged, Result, Subgraphs

if TYPE_CHECKING:
    from explorer_frames.sandbox._jobs import Task

# Column names in the vendor's documentation, which does not name the columns of paths and statistics.
_SCORES, _LABELS = ("VID,VALUE",), ("VID,LABEL", "VID,LABEL,MODULARITY")
_HEADERS = {
    **dict.fromkeys(("PageRank", "BetweennessCentrality", "ClosenessCentrality"), _SCORES),
    **dict.fromkeys(("ClusteringCoefficient", "KCore"), _SCORES),
    **dict.fromkeys(("LPA", "WCC", "Louvain", "InfoMap"), _LABELS),
    "DegreeCentrality": ("VID,BOTH_DEGREE,OUT_DEGREE,IN_DEGREE", "VID,OUT_DEGREE"),
    "SSSP": ("VID,DISTANCE",),
    "BFS": ("ROOT,VISITED",),
    "APSP": ("VID1,VID2,DISTANCE",),
    "Jaccard": ("VID1,VID2,VALUE",),
    "TriangleCount": ("COUNT", "VID,COUNT", "VID1,VID2,VID3"),
    "HyperANF": ("VALUE",),
}
_NEED_QUOTES = frozenset(',"\r\n\0')
_PLAIN = {"InfoMap", "DegreeCentrality", "NStepDegree"}  # the engine does not compress these
_PREFIXES = {"WCC": "part_", "ConnectedComponent": "part_"}
_MARK = "\ufeff"  # at the start of a file, readers would remove this byte order mark


def write_output(options: Options, job_id: int, task: Task, result: Result) -> None:
    """Write a result in parts, if the sandbox has a folder for full results."""
    if options.outputs_dir is None:
        return
    folder = Path(options.outputs_dir, str(job_id))
    if options.output_style == "csv":
        _write_csv(options, folder / task.id, task.algorithm, result)
    elif isinstance(result, Subgraphs):
        for k, subgraph in result.by_k.items():
            _write_as_engine(options, folder / "tasks" / task.component / f"{k}_core", task.algorithm, subgraph)
    else:
        _write_as_engine(options, folder / "tasks" / task.component, task.algorithm, result)


def _write_as_engine(options: Options, folder: Path, algorithm: str, result: Result) -> None:
    """Write one file per part, without quoting except for Query."""
    folder.mkdir(parents=True)
    plain, prefix = algorithm in _PLAIN, _PREFIXES.get(algorithm, "")
    separator = " " if isinstance(result, Ragged) else ","
    line = _line if algorithm == "Query" else lambda row: f"{separator.join(row)}\n"
    for number, (start, stop) in enumerate(_bounds(result, options.output_parts)):
        path = folder / f"{prefix}0000_{number:04}.csv{'' if plain else '.gz'}"
        rows = (*_names(options, algorithm, result), *result.cells(start, stop, "%.6g"))
        text = "".join(map(line, rows)).encode()
        path.write_bytes(text if plain else gzip.compress(text))


def _write_csv(options: Options, folder: Path, algorithm: str, result: Result) -> None:
    """Write standard CSV, with a ``_temporary`` folder and a ``_SUCCESS`` file."""
    temporary = folder / "_temporary"
    temporary.mkdir(parents=True)
    for number, (start, stop) in enumerate(_bounds(result, options.output_parts)):
        name = f"part-{number:05}.csv.gz"
        with gzip.open(temporary / name, "wt", encoding="utf-8", newline="") as file:
            rows = result.cells(start, stop)
            file.writelines(map(_line, (*_names(options, algorithm, result), *rows)))
        (temporary / name).rename(folder / name)
    temporary.rmdir()
    (folder / "_SUCCESS").touch()


def _bounds(result: Result, parts: int) -> Iterable[tuple[int, int]]:
    return pairwise(len(result) * number // parts for number in range(parts + 1))


def _names(options: Options, algorithm: str, result: Result) -> list[list[str]]:
    """Return a list with the header row, or an empty list."""
    width = max((len(row) for row in result.cells(0, 1)), default=0)
    names = [header.split(",") for header in _HEADERS.get(algorithm, ())] if options.output_header else []
    return [header for header in names if len(header) == width]


def _line(cells: Iterable[str]) -> str:
    first, *others = [*cells] or [""]
    if not others and (not first or " " in first):  # otherwise read as an empty line or as several vertices
        return f"{_quoted(first)}\n"
    return f"{','.join(map(_cell, (first, *others)))}\n"


def _cell(text: str) -> str:
    return text if _NEED_QUOTES.isdisjoint(text) and not text.startswith(_MARK) else _quoted(text)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
