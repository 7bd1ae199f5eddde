"""Example clients: `explorer_frames` and typical code."""
