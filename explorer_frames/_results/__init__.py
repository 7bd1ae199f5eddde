"""Readers for task results through the API."""
