"""Checks of `Explorer.doctor` for the configuration, the server and storage."""
