"""Bad input for every entrance: a clear error that names field and line, nothing half-submitted, no traceback."""

from typing import Any

import pytest

from tests.house import Factory


async def refused(shared: Factory, body: Any, *, path: str = "/v1/generate", **options: Any) -> dict[str, Any]:
    before = await shared.execute("SELECT count(*) AS n FROM factory.jobs")
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = await shared.client.post(path, **content, **options)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert await shared.execute("SELECT count(*) AS n FROM factory.jobs") == before
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    return found


async def test_an_unknown_alias_is_refused_with_the_names_that_exist(shared: Factory) -> None:
    found = await refused(shared, {"model": "quickest", "prompt": "x"})
    assert (found["status"], found["code"]) == (400, "unknown_model")
    assert "fast" in found["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "fast", "prompt": "x", "temprature": 1}, "temprature"),
        ({"model": "fast"}, "prompt"),
        ({"model": "fast", "prompt": ["x"]}, "prompt"),
        ({"model": "fast", "prompt": "a\x00b"}, "prompt"),
        (b'{"model": "fast", "prompt": "\\ud800"}', "prompt"),
        ({"model": "fast", "prompt": "x", "after": ["outline"]}, "after"),
        (
            {"model": "fast", "prompt": "x", "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 7}}}},
            "response_format.json_schema.schema",
        ),
        (
            {"model": "vision", "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "http://192.168.1.1/cam.png"}}]}]},
            "messages.0.content.0.image_url.url",
        ),
    ],
)  # fmt: skip
async def test_the_field_is_named(shared: Factory, body: Any, field: str) -> None:
    found = await refused(shared, body)
    assert found["code"] == "invalid_request"
    assert field in [one["field"] for one in found["problems"]]


async def test_a_text_over_every_context_window_is_refused(shared: Factory) -> None:
    found = await refused(shared, {"model": "fast", "prompt": "word " * 1_500_000})
    assert (found["status"], found["code"]) == (413, "context_length")
    assert "tokens" in found["detail"]


async def test_a_body_beyond_the_limit_is_refused(shared: Factory) -> None:
    found = await refused(shared, b'{"model": "fast", "prompt": "' + b"x" * 65_000_000 + b'"}')
    assert (found["status"], found["code"]) == (413, "body_too_large")


async def test_a_batch_with_one_bad_line_is_refused_whole(shared: Factory) -> None:
    lines = [
        b'{"model": "fast", "prompt": "one"}',
        b'{"model": "fast", "promt": "two"}',
        b'{"model": "nope", "prompt": "3"}',
    ]
    found = await refused(
        shared, b"\n".join(lines), path="/v1/job-batches", headers={"Content-Type": "application/jsonl"}
    )
    assert found["problems"][0] | {"message": ""} == {"line": 2, "field": "promt", "message": ""}


async def test_a_batch_names_the_line_of_an_unknown_model(shared: Factory) -> None:
    jobs = [{"model": "fast", "prompt": "one"}, {"model": "nope", "prompt": "two"}]
    found = await refused(shared, {"jobs": jobs}, path="/v1/job-batches")
    assert found["problems"][0]["line"] == 2
    assert "nope" in found["problems"][0]["message"]


async def test_cycles_and_unknown_keys_are_refused_by_name(shared: Factory) -> None:
    circle = [
        {"model": "fast", "prompt": "x", "key": "a", "after": ["b"]},
        {"model": "fast", "prompt": "x", "key": "b", "after": ["a"]},
    ]
    found = await refused(shared, {"jobs": circle}, path="/v1/job-batches")
    assert "a → b → a" in found["detail"] or "b → a → b" in found["detail"]
    found = await refused(
        shared, {"jobs": [{"model": "fast", "prompt": "x", "after": ["ghost"]}]}, path="/v1/job-batches"
    )
    assert "'ghost'" in found["detail"]
    assert found["problems"][0]["line"] == 1


async def test_a_wrong_key_is_refused(shared: Factory) -> None:
    body = {"model": "fast", "prompt": "x"}
    found = await refused(shared, body, headers={"x-api-key": "fk_wrong"})
    assert (found["status"], found["code"]) == (401, "unauthenticated")
    found = await refused(shared, body, headers={"x-api-key": ""})
    assert found["status"] == 401


async def test_a_bearer_key_is_as_good(shared: Factory) -> None:
    headers = {"x-api-key": "", "Authorization": f"Bearer {shared.key}"}
    answer = await shared.client.get("/v1/jobs", headers=headers)
    assert answer.status_code == 200


async def test_another_projects_name_is_forbidden(shared: Factory) -> None:
    found = await refused(shared, {"model": "fast", "prompt": "x", "project": "other"})
    assert (found["status"], found["code"]) == (403, "forbidden")
    found = await refused(shared, {"model": "fast", "prompt": "x"}, headers={"x-project-id": "other"})
    assert found["status"] == 403


async def test_another_projects_job_is_not_there(shared: Factory) -> None:
    job = await shared.job(model="fast", prompt="mine")
    from producer.keys import create_key

    other = await create_key(shared.services.database, project="other", make_project=True)
    for path in (job["urls"]["self"], job["urls"]["events"]):
        answer = await shared.client.get(path, headers={"x-api-key": other})
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
    answer = await shared.client.post(job["urls"]["cancel"], headers={"x-api-key": other})
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/v1/jobs/nonsense", "/v1/jobs/00000000-0000-0000-0000-000000000000", "/v1/nowhere"])
async def test_what_is_not_there_is_a_404(shared: Factory, path: str) -> None:
    answer = await shared.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
