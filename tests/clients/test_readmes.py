"""The examples of the clients' pages run as they stand."""

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Door
from tests.clients.test_javascript import needs_node, run_node
from tests.house import Factory

CLIENTS = Path(__file__).parents[2] / "clients"


def examples(client: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (CLIENTS / client / "README.md").read_text(), re.DOTALL)


@pytest.fixture
def environment(door: Door, factory: Factory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    found = {"FACTORY_URL": door.url, "FACTORY_API_KEY": factory.key}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return found


async def test_the_python_page(environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, awaited = examples("python", "python")
    names: dict[str, Any] = {}
    await asyncio.to_thread(exec, compile(plain, "README.md", "exec"), names)
    assert isinstance(names["answer"].cost, Decimal)
    assert (tmp_path / "lamp.mp3").stat().st_size > 1000
    exec(compile(awaited, "README.md", "exec"), names)
    await names["write_chapters"]()
    out = capsys.readouterr().out
    assert "batch.completed" in out
    assert [f"chapter-{number} completed 0.0" in out for number in (1, 2, 3)] == [True] * 3


@needs_node
async def test_the_javascript_page(environment: dict[str, str], tmp_path: Path) -> None:
    (example,) = examples("javascript", "js")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "ai-provider-factory-client").symlink_to(CLIENTS / "javascript")
    (tmp_path / "example.mjs").write_text(example)
    out = await run_node("example.mjs", folder=tmp_path, **environment)
    assert "batch.completed" in out
    assert [f"chapter-{number} completed 0.0" in out for number in (1, 2, 3)] == [True] * 3
