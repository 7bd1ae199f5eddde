"""Start writers, and kill each at a random moment of its repeated overwrites: run by test_storage_contract.py.

Argument: the repr of a dict (options have tuples) with `url`, `options`, `signals` (one per writer), `longest` (seconds a writer may live) and
`seed`. What is dear, the imports, happens once, in the process that forks; it makes no file system, so that no thread
and no connection crosses a fork. Prints, per writer, how many files it published.
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
            except Exception:  # noqa: BLE001 (told to who started us)
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(ready)
        os.read(reading, 1)  # from here on it is connected, and in the middle of things
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
