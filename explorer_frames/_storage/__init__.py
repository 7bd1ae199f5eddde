"""A file at any URL: published, or read."""
