"""Schemas of results: registry of documented algorithms and default columns.

The API returns every cell as text, without column names or types. This module assigns them from a registry and never
infers them from values. The registry follows the output tables of NebulaGraph Analytics' algorithm pages. ``VID`` there
is the vertex id type of the graph space. A community label is the id of one of its vertices, so it has the same type.

``schema="auto"``, the default of every reader, finds the algorithm by the task's name. If no documented algorithm
matches the name, or the algorithm has no result with this number of columns, the default depends on that number.
2 columns are ``id, score`` and 3 are ``id, score, community``. Other numbers of columns, and the results of Query
components, become text columns named ``column_1``, ``column_2`` and so on.

A last column of list type contains all remaining cells of a row. The results of path algorithms and random walks,
whose rows differ in length, have such a column. Any other result can be read as lists of text, too::

    pa.schema([("cells", pa.list_(pa.string()))])

A custom schema can also have bools, dates, timestamps, decimals and dictionaries. See the reference page on schemas.
"""

from explorer_frames._schemas import ALGORITHMS, Algorithm, find, named, to_schema

__all__ = ["ALGORITHMS", "Algorithm", "find", "named", "to_schema"]
