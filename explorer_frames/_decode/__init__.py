"""Decoding of bytes to typed Arrow batches, without I/O, clock or environment variables."""
