"""A narration's bytes: ranges, conditions, links without a key, and the end of their time."""

import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.clock import utc_now
from producer.api.ranges import Unsatisfiable, read_range
from tests.house import Factory
from workers.expiring import AudioExpiry


async def narrated(factory: Factory, text: str = "Once upon a time there was a lighthouse.") -> dict[str, Any]:
    job = await factory.job(kind="speech", model="narrator", input=text, format="mp3")
    assert job["status"] == "completed", job["error"]
    return job


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None), ("bytes=0-", (0, 100)), ("bytes=0-0", (0, 1)), ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)), ("bytes=-5", (95, 100)), ("bytes=-500", (0, 100)), ("bytes=99-", (99, 100)),
        ("bytes=100-", Unsatisfiable()), ("bytes=-0", Unsatisfiable()), ("bytes=5-3", None), ("bytes=-", None),
        ("bytes=0-1,5-6", None), ("items=0-1", None), ("bytes=a-b", None), ("bytes=٣-", None),
    ],
)  # fmt: skip
def test_a_range_is_read_as_rfc_9110_has_it(header: str | None, expected: object) -> None:
    assert read_range(header, 100) == expected


async def test_audio_comes_whole_and_in_ranges(factory: Factory) -> None:
    job = await narrated(factory)
    place, client = job["urls"]["audio"], factory.client
    whole = await client.get(place)
    audio = job["result"]["audio"]
    assert (whole.status_code, whole.headers["content-type"], len(whole.content)) == (200, "audio/mpeg", audio["bytes"])
    assert hashlib.sha256(whole.content).hexdigest() == audio["sha256"] == whole.headers["etag"].strip('"')
    assert whole.headers["repr-digest"].startswith("sha-256=:")
    part = await client.get(place, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{audio['bytes']}"
    assert (await client.get(place, headers={"Range": "bytes=-50"})).content == whole.content[-50:]
    beyond = await client.get(place, headers={"Range": f"bytes={audio['bytes']}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{audio['bytes']}")
    head = await client.head(place)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(audio["bytes"]))
    assert (await client.get(place, headers={"If-None-Match": whole.headers["etag"]})).status_code == 304
    changed = await client.get(place, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, whole.content)


async def test_a_signed_link_needs_no_key_and_opens_nothing_else(factory: Factory) -> None:
    job, other = await narrated(factory), await narrated(factory, "Another story.")
    made = await factory.client.post(f"{job['urls']['self']}/links", json={"expires_in_s": 60})
    assert made.status_code == 201, made.text
    link = made.json()["url"]
    async with httpx.AsyncClient(transport=factory.client._transport, base_url="http://factory") as browser:
        assert (await browser.get(link)).content == (await factory.client.get(job["urls"]["audio"])).content
        assert (await browser.get(link, headers={"Range": "bytes=0-9"})).status_code == 206
        for wrong in (link.replace(job["id"], other["id"]), link.replace("/audio?", "/events?"), link[:-1]):
            refused = await browser.get(wrong)
            assert (refused.status_code, refused.json()["code"]) == (403, "link_refused"), wrong
        assert (await browser.get(job["urls"]["audio"])).status_code == 401
        events = await factory.client.post(f"{job['urls']['self']}/links", json={"what": "events"})
        assert "event: job.completed" in (await browser.get(events.json()["url"])).text


@pytest.mark.parametrize("body", [{"expires_in_s": 0}, {"expires_in_s": 10**9}, {"what": "money"}, {"more": 1}])
async def test_a_wrong_order_for_a_link_is_refused(shared: Factory, body: dict[str, Any]) -> None:
    job = await shared.job(model="fast", prompt="x")
    answer = await shared.client.post(f"{job['urls']['self']}/links", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_audio_expires_by_the_projects_policy(factory: Factory) -> None:
    text = "This will be gone."
    first = await narrated(factory, text)
    second = await narrated(factory, text)
    assert second["result"]["cached"], "the second names the bytes of the first"
    expiry = AudioExpiry(factory.services.database, factory.services.storage)
    assert await expiry.step() == 0
    in_a_month = utc_now() + timedelta(days=31)
    await factory.execute(
        "UPDATE factory.jobs SET finished_at = $2 WHERE id = $1", UUID(second["id"]), in_a_month - timedelta(days=1)
    )
    assert await expiry.step(in_a_month) == 1
    gone = (await factory.client.get(first["urls"]["self"])).json()["result"]["audio"]
    assert (gone["url"], gone["expired"]) == (None, True)
    assert (await factory.client.get(first["urls"]["audio"])).status_code == 404
    assert (await factory.client.get(second["urls"]["audio"])).status_code == 200, "the second still needs the bytes"
    assert await expiry.step(in_a_month + timedelta(days=31)) == 1
    assert (await factory.client.get(second["urls"]["audio"])).status_code == 404
    assert not list((factory.settings.home / "storage").rglob("*.mp3"))
    again = await narrated(factory, text)
    assert len(again["calls"]) == 1


@pytest.mark.parametrize(("policy", "expired"), [("null", 0), ("1", 1), ('"nonsense"', 0), ("60", 0)])
async def test_a_project_says_how_long(factory: Factory, policy: str, expired: int) -> None:
    await narrated(factory)
    await factory.execute(
        "UPDATE factory.projects SET settings = jsonb_build_object('audio_retention_days', $1::jsonb)",
        json.loads(policy),
    )
    expiry = AudioExpiry(factory.services.database, factory.services.storage)
    assert await expiry.step(utc_now() + timedelta(days=20)) == expired
