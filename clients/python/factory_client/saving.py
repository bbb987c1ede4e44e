"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path


@contextmanager
def saving(path: str | os.PathLike[str]) -> Iterator[BufferedRandom]:
    """A file to write and to read; it takes its place when nothing went wrong. Raises OSError."""
    final = Path(path)
    unfinished = final.with_name(f".{final.name}.part")
    try:
        with unfinished.open("w+b") as file:
            yield file
        unfinished.replace(final)
    finally:
        with suppress(OSError):
            unfinished.unlink()
