"""Read, write and verify Parquet and Feather files."""
