"""Decode bytes to typed Arrow batches, without I/O, clock or environment."""
