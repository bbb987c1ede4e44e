"""Importing does nothing, and loads no more than it must."""

import subprocess
import sys

import pytest

HEAVY = ["openai", "google.genai", "elevenlabs", "numpy", "soundfile"]
DRIVERS = [*HEAVY, "asyncpg", "redis", "arq", "httpx", "httpx2", "fastapi", "uvicorn"]


def loaded_by(statement: str, names: list[str]) -> list[str]:
    program = f"{statement}\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("import core.routing, core.request_checks, core.settings, core.logging, core.failover", DRIVERS),
        ("import producer.cli; producer.cli.main.get_help(__import__('click').Context(producer.cli.main))", DRIVERS),
        ("import adapters.registry", HEAVY),
        ("import workers.worker, workers.story", [*HEAVY, "opentelemetry.sdk"]),
        ("import producer.api.app, producer.composition", [*HEAVY, "opentelemetry.sdk"]),
    ],
)
def test_an_import_brings_no_more_than_it_needs(statement: str, names: list[str]) -> None:
    assert loaded_by(statement, names) == []


def test_arqs_command_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "FACTORY_HOME": "/nonexistent"},
        check=False,
    )
    assert done.returncode == 1
    assert "FACTORY_DATABASE_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr
