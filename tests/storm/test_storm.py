"""A short storm, and a checker that can fail."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.storm.checker import NEW_ENDPOINT, After, violations
from tests.storm.run import storm

JOB, BATCH = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCHEMA = {"type": "object", "required": ["title"]}


async def test_jobs_complete_whatever_providers_do_and_sql_is_obeyed_soon() -> None:
    """Other tests share the machine's cores: the one second is `scripts/storm`'s to hold."""
    root = Path(tempfile.mkdtemp(prefix="storm-"))
    root.chmod(0o711)
    after, broken = await storm(root, 150, timedelta(seconds=3))
    assert broken == []
    assert sum(call["outcome"] != "ok" for call in after.calls) > 30
    shutil.rmtree(root, ignore_errors=True)


def kept() -> After:
    """What a storm of one job and two narrations leaves when every promise was kept."""
    request = {"response_format": {"json_schema": {"schema": SCHEMA}}, "requirements": {"region": "eu"}}
    job = {
        "id": JOB, "kind": "text", "state": "completed", "request": request, "result": {"parsed": {"title": "x"}},
        "error": None, "cost": Decimal("0.5"), "provider": "openai", "model": "gpt-6-luna", "batch_id": BATCH,
    }  # fmt: skip
    spoken = [{**job, "id": UUID(int=number), "kind": "speech", "request": {}, "cost": Decimal(0)} for number in (8, 9)]
    call = {
        "job_id": JOB, "region": "eu", "cost": Decimal("0.5"), "alias": "storm", "provider": "openai",
        "model": "gpt-6-luna", "endpoint_id": UUID(int=5), "price_ref": "openai/gpt-6-luna@2026-11-23T11:00:00Z",
        "started_at": NOW,
    }  # fmt: skip
    edits = dict.fromkeys(("alias", "endpoint", "price", "active"), NOW - timedelta(seconds=2))
    return After([job, *spoken], [call], edits)


def test_the_checker_finds_nothing_where_nothing_is_wrong() -> None:
    assert list(violations(kept())) == []


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("of the jobs completed", lambda after: after.jobs[1].update(state="failed")),
        ("of the jobs with a schema", lambda after: after.jobs[0].update(state="failed")),
        ("what its schema refuses", lambda after: after.jobs[0].update(result={"parsed": {}})),
        ("2 voices", lambda after: after.jobs[1].update(model="another")),
        ("asked for the EU", lambda after: after.calls[0].update(region="global")),
        ("its lines say", lambda after: after.jobs[0].update(cost=Decimal("0.4"))),
        ("target switched off", lambda after: after.calls[0].update(provider="anthropic")),
        ("endpoint that was replaced", lambda after: (
            after.edits.pop("active"), after.calls[0].update(model="gemini-3.5-flash-lite"))),
        ("price of a second before", lambda after: after.calls[0].update(price_ref="x@2026-01-01T00:00:00Z")),
        ("model switched off", lambda after: after.calls[0].update(
            model="gemini-3.5-flash-lite", endpoint_id=NEW_ENDPOINT)),
    ],
)  # fmt: skip
def test_the_checker_names_what_is_wrong(words: str, change: Any) -> None:
    after = kept()
    change(after)
    assert any(words in one for one in violations(after)), list(violations(after))
