"""Parquet and Feather files; no Explorer."""
