"""Read and publish files at any fsspec URL."""
