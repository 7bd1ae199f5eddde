"""Batches whose dictionaries grow -> one table with one dictionary per column."""

from __future__ import annotations

import pyarrow as pa


class Indexed:
    """Keep the indices of each batch and only the last dictionary of each column; the others would add up in memory.

    Parameters
    ----------
    schema
        Of all batches. The dictionary of each column extends that of the batch before.

    Attributes
    ----------
    schema : pyarrow.Schema
        The same with indices in place of dictionaries.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._fields = {place: field for place, field in enumerate(schema) if pa.types.is_dictionary(field.type)}
        self._last: dict[int, pa.Array] = {}
        self.schema = schema
        for place, field in self._fields.items():
            self.schema = self.schema.set(place, field.with_type(field.type.index_type))

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch with indices in place of dictionaries."""
        if not self._fields:
            return batch
        columns = [*batch.columns]
        for place in self._fields:
            self._last[place] = columns[place].dictionary
            columns[place] = columns[place].indices
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def restore(self, table: pa.Table) -> pa.Table:
        """Return the table of all batches with its dictionaries."""
        for place, field in self._fields.items():
            known = self._last.get(place, pa.array([], field.type.value_type))
            chunks = [pa.DictionaryArray.from_arrays(chunk, known) for chunk in table.column(place).chunks]
            table = table.set_column(place, field, pa.chunked_array(chunks, field.type))
        return table
