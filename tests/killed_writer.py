"""Start writers and kill each at a random moment; test_storage_contract.py runs it.

The argument is the repr of a dict with `url`, `options`, `signals` (one for each writer), `longest` (maximum lifetime
of a writer in seconds) and `seed`. The output is the number of published files for each writer. The imports are slow,
so the parent process imports all packages before it forks. It creates no file system, so a child inherits no threads
and no connections.
"""

from __future__ import annotations

import ast
import os
import random
import sys
import time
import traceback
from pathlib import Path

import fsspec

from explorer_frames._storage.publish import Target


def write_for_ever(url, options, ready, turn):
    contents = [b"a" * 700_000, b"b" * 1_100_000]
    while True:
        target = Target.resolve(url, storage_options=options)
        with target.spool() as path:
            Path(path).write_bytes(contents[turn % 2])
            target.publish(path)
        turn += 1
        os.write(ready, b".")


def main():
    work = ast.literal_eval(sys.argv[1])
    chance = random.Random(work["seed"])
    fsspec.get_filesystem_class(work["url"].partition("://")[0] if "://" in work["url"] else "file")
    for turn, number in enumerate(work["signals"]):
        reading, ready = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(reading)
                write_for_ever(work["url"], work["options"], ready, turn)
            except Exception:  # noqa: BLE001 (printed for the test)
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(ready)
        os.read(reading, 1)  # the writer has published its first file
        time.sleep(chance.random() * work["longest"])
        os.kill(child, number)
        _, status = os.waitpid(child, 0)
        if os.WTERMSIG(status) != number:
            sys.exit(f"the writer ended by itself: {status}")
        published = 1 + len(os.read(reading, 1_000_000))
        os.close(reading)
        sys.stdout.write(f"{published}\n")


if __name__ == "__main__":
    main()
