"""Parquet and Feather files, without any request to Explorer."""
