"""`python -m producer.demo`: the main job from an empty machine, through the HTTP door; stops what it started."""

import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from core.errors import FactoryError
from core.settings import child_environment, python_program
from producer.everything import everything

STORY = "examples/lighthouse.yaml"
KEPT_LINES = 30


def main() -> int:
    """The exit code of the story."""
    started = time.monotonic()
    last: deque[str] = deque(maxlen=KEPT_LINES)
    lock = threading.Lock()
    logs = Path(".factory/logs")
    logs.mkdir(parents=True, exist_ok=True)

    def say(name: str, line: str) -> None:
        with lock, (logs / f"{name}.log").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
            last.append(f"{name} │ {line}")

    _tell("starting PostgreSQL, Valkey, the API and a worker …")
    try:
        with everything(say, host=None, port=None, workers=(1, 1), any_port=True) as house:
            _tell(f"ready at {house.url} after {time.monotonic() - started:.1f} s; logs are in {logs}")
            if house.emulated:
                _tell("no provider key is set: the emulator answers")
            environment = child_environment(FACTORY_URL=house.url, FACTORY_API_KEY=house.api_key)
            command = python_program("producer.cli", "story", STORY, "--new", *sys.argv[1:])
            code = subprocess.run(command, env=environment, check=False).returncode
    except FactoryError as error:
        _tell(f"error: {error.message}")
        code = 1
    if code:
        _tell("the last lines of the programs:\n" + "\n".join(last))
    _tell(f"stopped; {time.monotonic() - started:.1f} s in all")
    return code


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
