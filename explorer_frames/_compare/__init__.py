"""Comparison of two results: rows are matched by their ids, then values, ranks and communities are compared."""
