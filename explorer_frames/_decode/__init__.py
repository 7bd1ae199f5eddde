"""Bytes -> typed Arrow batches; no I/O, no clock, no environment."""
