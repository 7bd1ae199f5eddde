"""Clients to begin with: ours, and what one would write in its place."""
