"""``python -m explorer_frames`` is the command ``explorer-frames``."""

from explorer_frames.cli import main

main()
