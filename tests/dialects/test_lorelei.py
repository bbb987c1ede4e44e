"""The invented provider in a whole factory: rows, and nothing else."""

from decimal import Decimal
from pathlib import Path

import tests.dialects
from tests.house import Factory

assert tests.dialects.MODELS
ROWS = (Path(__file__).parent / "lorelei.sql").read_text()


async def test_a_provider_with_a_dialect_of_its_own_is_rows(
    factory: Factory, emulator_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "lorelei.key"
    key.write_text("a-key-of-lorelei")
    await factory.execute(ROWS, f"{emulator_url}/lorelei", str(key))
    await factory.settled()
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    job = await factory.job(
        model="singer",
        prompt="Sing of the river",
        response_format={"type": "json_schema", "json_schema": {"schema": schema}},
        metadata={"any": "thing"},
    )
    assert job["status"] == "completed", job["error"]
    assert (job["result"]["provider"], job["result"]["model"]) == ("lorelei", "lorelei-2")
    assert job["result"]["parsed"]["title"]
    usage = job["result"]["usage"]
    by_hand = (usage["prompt_tokens"] * Decimal(2) + usage["completion_tokens"] * Decimal(8)) / 1_000_000
    assert Decimal(str(job["cost"])) == by_hand
    strict = await factory.generate(model="singer", prompt="x", temperature=0.5, strict=True)
    assert (strict.status_code, "does not accept temperature" in strict.json()["detail"]) == (400, True)
    freed = await factory.generate(model="singer", prompt="x", temperature=0.5, reasoning_effort="none", strict=True)
    assert freed.status_code == 200, freed.text
