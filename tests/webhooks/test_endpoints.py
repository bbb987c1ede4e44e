"""The doors: what is refused, and what one project sees of another."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from producer.cli.webhooks import webhooks
from producer.keys import create_key
from producer.webhooks import MOST_ENDPOINTS
from sql.access import find_project
from tests.webhooks.conftest import Post

HOOK = "https://hooks.example.org/a"


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({}, "url", "needed"),
    ({"url": 7}, "url", "string"),
    ({"url": ""}, "url", "at least 1"),
    ({"url": "https://a.example/" + "x" * 2000}, "url", "at most 2000"),
    ({"url": "http://hooks.example.org/"}, "url", "https://"),
    ({"url": "https://10.0.0.1/"}, "url", "private"),
    ({"url": "https://[::ffff:169.254.169.254]/"}, "url", "private"),
    ({"url": "https://metadata.internal/"}, "url", "inside this network"),
    ({"url": "https://a:b@hooks.example.org/"}, "url", "user name"),
    ({"url": "gopher://hooks.example.org/"}, "url", "http"),
    ({"url": HOOK, "events": []}, "events", "at least 1"),
    ({"url": HOOK, "events": ["job.eaten"]}, "events", "job.eaten is no event"),
    ({"url": HOOK, "include_content": "yes"}, "include_content", "boolean"),
    ({"url": HOOK, "secret": "whsec_mine"}, "secret", "not known"),
    ({"url": HOOK + "\x00"}, None, "NUL"),
]  # fmt: skip


async def test_an_endpoint_that_cannot_be_is_refused_by_its_field(post: Post) -> None:
    for body, field, words in REFUSED:
        answer = await post.client.post("/v1/webhook-endpoints", json=body)
        assert answer.status_code == 400, answer.text
        found = [(one.get("field"), words in one["message"]) for one in answer.json()["problems"]]
        assert found == [(field, True)], answer.text


async def test_a_life_of_an_endpoint(post: Post) -> None:
    made = await post.client.post("/v1/webhook-endpoints", json={"url": HOOK, "includeContent": True})
    place = made.headers["location"]
    shown = {name: value for name, value in made.json().items() if name != "secret"}
    assert made.json()["secret"].startswith("whsec_")
    assert shown["events"] == ["job.completed", "job.failed", "batch.completed"]
    assert (await post.client.get(place)).json() == shown
    assert (await post.client.get("/v1/webhook-endpoints")).json()["data"] == [shown]
    changed = (await post.client.patch(place, json={"events": ["job.failed", "job.failed"], "active": False})).json()
    assert changed == shown | {"events": ["job.failed"], "active": False}
    assert (await post.client.patch(place, json={"url": "https://127.0.0.2/"})).status_code == 400
    assert (await post.client.patch(place, json={"url": None})).json() == changed
    for body, field in (({"old_expires_in_s": -1}, "old_expires_in_s"), ({"nonsense": 1}, "nonsense")):
        refused = await post.client.post(f"{place}/rotate-secret", json=body)
        assert [one["field"] for one in refused.json()["problems"]] == [field]
    broken = await post.client.post("/v1/webhook-endpoints", content=b'{"url": ')
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid_request")
    assert (await post.client.get(f"{place}/deliveries", params={"state": "lost"})).status_code == 400
    assert (await post.client.get("/v1/webhook-deliveries", params={"cursor": "x"})).status_code == 404
    assert (await post.client.delete(place)).status_code == 204
    assert (await post.client.get(place)).status_code == 404
    assert (await post.client.delete(place)).status_code == 404


async def test_a_project_has_only_so_many(post: Post) -> None:
    await post.fetch(
        "INSERT INTO factory.webhook_endpoints (project_id, url) "
        "SELECT id, 'https://a.example' FROM factory.projects, generate_series(1, $1::int) WHERE name = 'nicestory'",
        MOST_ENDPOINTS,
    )
    refused = await post.client.post("/v1/webhook-endpoints", json={"url": HOOK})
    assert (refused.status_code, str(MOST_ENDPOINTS) in refused.json()["detail"]) == (409, True)


async def test_nothing_of_one_project_is_there_for_another(post: Post) -> None:
    made = await post.listen()
    await post.end(await post.submit())
    (delivery,) = await post.deliveries()
    key = await create_key(post.services.database, project="stranger", make_project=True)
    headers = {"x-api-key": key, "x-request-id": "the-same"}
    hook = "/v1/webhook-endpoints/{}"
    for method, path, own in [
        ("GET", hook, made["id"]), ("PATCH", hook, made["id"]), ("DELETE", hook, made["id"]),
        ("POST", hook + "/rotate-secret", made["id"]), ("DELETE", hook + "/old-secret", made["id"]),
        ("GET", hook + "/deliveries", made["id"]), ("POST", "/v1/webhook-deliveries/{}/redeliver", delivery["id"]),
    ]:  # fmt: skip
        theirs = await post.client.request(method, path.format(own), headers=headers)
        nobodys = await post.client.request(method, path.format(uuid4()), headers=headers)
        assert (theirs.status_code, theirs.text) == (404, nobodys.text), path
        assert (await post.client.request(method, path.format("no-id"))).status_code == 404
    for path in (
        "/v1/webhook-endpoints",
        "/v1/webhook-deliveries",
        f"/v1/webhook-deliveries?job_id={delivery['job_id']}",
    ):
        assert (await post.client.get(path, headers=headers)).json()["data"] == []
    secrets = {(await post.client.get("/v1/webhook-secret", headers=one)).json()["secret"] for one in ({}, headers)}
    assert len(secrets) == 2
    assert len((await post.client.get("/v1/webhook-endpoints")).json()["data"]) == 1


async def test_a_key_that_looks_sees_no_secret_and_changes_nothing(post: Post) -> None:
    made = await post.listen()
    looks = {"x-api-key": await create_key(post.services.database, project="nicestory", scopes=["read"])}
    assert (await post.client.get("/v1/webhook-endpoints", headers=looks)).status_code == 200
    for method, path in [
        ("GET", "/v1/webhook-secret"), ("POST", "/v1/webhook-endpoints"),
        ("POST", f"/v1/webhook-endpoints/{made['id']}/rotate-secret"), ("DELETE", f"/v1/webhook-endpoints/{made['id']}"),
    ]:  # fmt: skip
        assert (await post.client.request(method, path, headers=looks)).status_code == 403, path


async def test_pages_of_deliveries(post: Post) -> None:
    made = await post.listen()
    jobs = [await post.submit() for _ in range(5)]
    for job in jobs:
        await post.end(job)
    await post.deliver()
    path, cursor, seen = f"/v1/webhook-endpoints/{made['id']}/deliveries", None, []
    while True:
        query = {"limit": 2, "state": "delivered"} | ({"cursor": cursor} if cursor else {})
        page = (await post.client.get(path, params=query)).json()
        seen += [one["job_id"] for one in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [str(job) for job in reversed(jobs)]
    assert (await post.client.get(path, params={"state": "failed"})).json()["data"] == []


async def test_the_commands(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = post.services.settings
    for name, value in {
        "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "HOME": str(settings.home),
        "WEBHOOK_ALLOW": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"FACTORY_{name}", value or "")

    async def factory(*words: str) -> tuple[int, str]:
        ended = await asyncio.to_thread(CliRunner().invoke, webhooks, words)
        return ended.exit_code, ended.output

    code, out = await factory("add", post.receiver.url, "--event", "job.failed")
    assert code == 0, out
    endpoint, secret = (line.split()[1] for line in out.splitlines())
    assert secret.startswith("whsec_")
    listed = await factory("list")
    assert (endpoint in listed[1], "whsec" in listed[1]) == (True, False)
    code, rotated = await factory("rotate", endpoint)
    assert (code, secret in rotated, "whsec_" in rotated) == (0, False, True)
    assert (await factory("secret"))[1].startswith("whsec_")
    default = await find_project(post.services.database, "default")
    assert default is not None
    await post.fetch(
        "INSERT INTO factory.webhook_deliveries (id, project_id, endpoint_id, type, url, failed_at) "
        "VALUES (factory.new_id(), $1, $2, 'job.failed', '', now())",
        default.id,
        UUID(endpoint),
    )
    (failed,) = json.loads((await factory("deliveries", endpoint, "--state", "failed", "--json"))[1])
    assert (await factory("redeliver", failed["id"]))[0] == 0
    assert "pending" in (await factory("deliveries"))[1]
    assert (await factory("redeliver", str(uuid4())))[0] == 2
    code, refused = await factory("add", "http://10.0.0.1/")
    assert (code, "private" in refused) == (2, True)
    assert (await factory("remove", endpoint))[0] == 0
    assert endpoint not in (await factory("list", "--json"))[1]
