"""`factory …` as a process of its own that need not import anything: a fork of one that has imported it all.

Whoever wants a process that begins as a user's does starts `python -m producer.cli`.
"""

import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LONGEST = 1 << 16
LONGEST_S = 60


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_float=Decimal)


class WarmCommands:
    """Starts with the first command, ends with this process."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def run(self, words: tuple[str, ...], folder: Path, environment: Mapping[str, str], stdin: bytes = b"") -> Ended:
        """`factory WORDS` in a folder, to its end."""
        with self._starting:
            if self._server is None:
                command = [sys.executable, "-m", "tests.warm", str(self._theirs.fileno())]
                self._server = subprocess.Popen(command, cwd=ROOT, pass_fds=[self._theirs.fileno()])
                self._theirs.close()
        ended, told = os.pipe()
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            asked = json.dumps([words, str(folder), dict(environment)]).encode()
            assert len(asked) < LONGEST
            socket.send_fds(self._ours, [asked], [given.fileno(), out.fileno(), err.fileno(), told])
            os.close(told)
            with os.fdopen(ended) as line:
                assert select.select([line], [], [], LONGEST_S)[0], f"factory {' '.join(words)} does not end"
                code = int(line.read() or -1)
            out.seek(0)
            err.seek(0)
            return Ended(code, out.read().decode(), err.read().decode())

    def end(self) -> None:
        self._ours.close()
        self._theirs.close()
        if self._server is not None:
            self._server.wait(timeout=10)


def serve(asking: socket.socket) -> None:
    import producer.cli

    for module in pkgutil.iter_modules(producer.cli.__path__, "producer.cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("producer.api.app", "producer.client"):
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, files, _, _ = socket.recv_fds(asking, LONGEST, 4)
        if not asked:
            return
        if os.fork() == 0:
            asking.close()
            run_here(*json.loads(asked), files)
        for file in files:
            os.close(file)


def run_here(words: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    """This process is the command now."""
    from producer.cli import main

    *given, told = files
    for number, file in enumerate(given):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["factory", *words]
    code = 0
    try:
        main(prog_name="factory")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as Python itself would
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(told, str(code).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
