"""Reading and publishing of files at any fsspec URL."""
