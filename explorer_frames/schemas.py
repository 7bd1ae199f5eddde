"""Schemas of results: registry of documented algorithms and default columns.

The API returns each cell as text, without column names or types. This module defines the columns of each algorithm, as
documented by NebulaGraph Analytics. ``VID`` in that documentation is the vertex id type of the graph space. Community
labels are vertex ids, so they have the same type.

Readers use the algorithm in the task's name by default (``schema="auto"``). If no algorithm matches the name and the
number of columns, the columns depend only on their number. Two columns are ``id, score``, and three are
``id, score, community``. Other results become text columns ``column_1``, ``column_2`` and so on. The results of Query
components are also read as text columns.

In a custom schema, the last column can be a list, which contains all remaining cells of a row. Use such a column if the
rows differ in length, as the rows of path algorithms do. This schema reads any result as lists of text::

    pa.schema([("cells", pa.list_(pa.string()))])

A custom schema can also contain bools, dates, timestamps, decimals and dictionaries. See the reference page on schemas.
"""

from explorer_frames._schemas import ALGORITHMS, Algorithm, find, named, to_schema

__all__ = ["ALGORITHMS", "Algorithm", "find", "named", "to_schema"]
