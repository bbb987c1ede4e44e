"""A short run; `scripts/fuzz` is the long one. The seed changes with every run and is printed."""

import subprocess
import sys


def test_a_short_fuzz_finds_nothing() -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "--minutes", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "nothing found" in done.stdout
    assert "generated" in done.stdout, "schemathesis asked nothing"
