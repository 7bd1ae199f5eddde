"""Comparison of two results by rows, values, ranks and communities."""
