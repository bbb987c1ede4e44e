"""What a program says on stderr: passed on as it comes, and the last of it kept for when it dies."""

import contextlib
import sys
import threading
from collections import deque
from typing import IO

KEPT = 12
LONGEST = 500
_END_WITHIN_S = 1.0  # a child of its own may hold the pipe open


class LastWords:
    """Reads in a thread of its own until the program is gone."""

    def __init__(self, stderr: IO[bytes]) -> None:
        self._kept: deque[str] = deque(maxlen=KEPT)
        self._thread = threading.Thread(target=self._read, args=(stderr,), daemon=True, name="last words")
        self._thread.start()

    def read(self) -> str:
        """The last lines, once the program has ended."""
        self._thread.join(_END_WITHIN_S)
        return "\n".join(self._kept)

    def _read(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                with contextlib.suppress(OSError, ValueError):  # nobody listens to us any more: it must not be held up
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()
                self._kept.append(line.decode(errors="replace").rstrip()[-LONGEST:])
