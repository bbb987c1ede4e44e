"""A job that is over can be asked for once more."""

from uuid import UUID

from tests.house import Factory


async def test_a_failed_job_is_tried_again_as_a_new_one(factory: Factory) -> None:
    first = await factory.job(model="fast", prompt="too late", deadline_s=0.000001)
    assert first["status"] == "expired"
    again = await factory.client.post(f"{first['urls']['self']}/retry")
    assert again.status_code == 202, again.text
    assert again.headers["location"] == again.json()["urls"]["self"]
    assert again.json()["id"] != first["id"]
    rows = await factory.execute("SELECT retry_of FROM factory.jobs WHERE id = $1", UUID(again.json()["id"]))
    assert str(rows[0]["retry_of"]) == first["id"]


async def test_only_what_is_over_and_mine_can_be_tried_again(factory: Factory) -> None:
    later = (
        await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"})
    ).json()
    early = await factory.client.post(f"{later['urls']['self']}/retry")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert (await factory.client.post(f"/v1/jobs/{UUID(int=5)}/retry")).status_code == 404


async def test_a_job_of_a_batch_keeps_the_answers_it_came_after(factory: Factory) -> None:
    lines = [
        {"model": "fast", "prompt": "Outline", "key": "outline"},
        {"model": "fast", "prompt": "Go on: {{outline}}", "key": "chapter", "after": ["outline"]},
    ]
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": lines})).json()
    jobs = (await factory.client.get(f"/v1/jobs?batch_id={batch['id']}")).json()["data"]
    chapter = next(job for job in jobs if job["key"] == "chapter")
    done = (await factory.client.get(f"{chapter['urls']['self']}?wait=20")).json()
    assert done["status"] == "completed", done["error"]
    again = (await factory.client.post(f"{chapter['urls']['self']}/retry")).json()
    again = (await factory.client.get(f"{again['urls']['self']}?wait=20")).json()
    assert again["status"] == "completed", again["error"]
    assert again["result"]["usage"]["prompt_tokens"] == done["result"]["usage"]["prompt_tokens"]
    outline = next(job for job in jobs if job["key"] == "outline")
    assert (await factory.client.delete(outline["urls"]["self"])).status_code == 204
    gone = await factory.client.post(f"{again['urls']['self']}/retry")
    assert (gone.status_code, gone.json()["code"]) == (410, "content_deleted"), "there is nothing to build on"
