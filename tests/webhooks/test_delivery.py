"""Tried until it arrives, at the times of Standard Webhooks, and never sent inside."""

import asyncio
import signal
import sys
from datetime import timedelta
from uuid import UUID

from adapters.outbound import Outbound
from core.clock import utc_now
from core.outbound import NOTHING
from core.settings import Settings, child_environment
from core.webhooks import SCHEDULE_S
from tests.adapters.server import Asked, Reply
from tests.webhooks.conftest import Post, signatures
from workers.delivering import AT_ONCE_PER_LANE, KEPT, LEASE, DeliveryPruning, WebhookDelivery

BROKEN = Reply(b"no \x00 luck", status="500 Internal Server Error")
GONE = Reply(status="410 Gone")


async def alerts(post: Post) -> list[str]:
    rows = await post.fetch("SELECT kind, message FROM factory.alerts WHERE resolved_at IS NULL")
    return [f"{row['kind']}: {row['message']}" for row in rows]


async def test_a_failing_receiver_is_tried_by_the_schedule_with_one_id_and_then_given_up(post: Post) -> None:
    made = await post.listen()
    post.receiver.replies = [BROKEN] * 10
    await post.end(await post.submit())
    await post.deliver()
    for wait_s in SCHEDULE_S:
        post.clock.turn(seconds=wait_s - 1)
        before = len(post.receiver.got)
        await post.deliver()
        assert len(post.receiver.got) == before
        post.clock.turn(seconds=1)
        await post.deliver()
        assert len(post.receiver.got) == before + 1
    (delivery,) = await post.deliveries()
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("failed", 10, 500)
    assert len(delivery["log"]) == 10
    assert {(tried["status"], tried["answer"]) for tried in delivery["log"]} == {(500, "no  luck")}
    assert {asked.headers["webhook-id"] for asked in post.receiver.got} == {delivery["webhook_id"]}
    assert len({asked.headers["webhook-timestamp"] for asked in post.receiver.got}) == 10
    shown = (await post.client.get(f"/v1/webhook-endpoints/{made['id']}")).json()
    assert (shown["active"], shown["failing_since"] is None) == (True, False)

    again = await post.client.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    await post.deliver()
    (delivery,) = await post.deliveries(state="delivered")
    assert (delivery["attempts"], len(delivery["log"]), delivery["log"][-1]["answer"]) == (1, 11, "thanks")
    assert post.receiver.got[-1].headers["webhook-id"] == delivery["webhook_id"]
    assert (await post.client.get(f"/v1/webhook-endpoints/{made['id']}")).json()["failing_since"] is None


async def test_a_receiver_that_is_busy_names_its_time_and_a_redirect_is_a_failure_that_says_so(post: Post) -> None:
    await post.listen()
    post.receiver.replies = [
        Reply(status="503 Service Unavailable", headers={"retry-after": "120"}),
        Reply(status="302 Found", headers={"location": post.receiver.url + "/elsewhere"}),
    ]
    await post.end(await post.submit())
    await post.deliver()
    post.clock.turn(seconds=119)
    await post.deliver()
    assert len(post.receiver.got) == 1
    post.clock.turn(seconds=1)
    await post.deliver()
    (delivery,) = await post.deliveries()
    assert (delivery["state"], delivery["last_status"]) == ("pending", 302)
    assert "redirect is not followed" in delivery["log"][-1]["error"]
    assert post.receiver.at("/elsewhere") == []


async def test_410_switches_an_endpoint_off_and_says_so(post: Post) -> None:
    made = await post.listen()
    post.receiver.replies = [GONE, BROKEN]
    await post.end(await post.submit())
    await post.deliver()
    other = await post.listen("/other")
    post.receiver.replies = [BROKEN]
    await post.end(await post.submit())
    await post.client.patch(f"/v1/webhook-endpoints/{made['id']}", json={"active": True})
    await post.end(await post.submit())
    post.receiver.by_path = {"/hook": GONE}
    await post.deliver()
    assert len(post.receiver.at("/hook")) == 2
    shown = (await post.client.get(f"/v1/webhook-endpoints/{made['id']}")).json()
    assert (shown["active"], shown["disabled_reason"]) == (False, "it answered 410 Gone")
    assert await alerts(post) == [
        "webhook_disabled: an endpoint of project nicestory was switched off: it answered 410 Gone"
    ]
    first = (await post.deliveries(state="failed"))[-1]
    assert (await post.client.post(f"/v1/webhook-deliveries/{first['id']}/redeliver")).status_code == 409
    shown = await post.client.patch(f"/v1/webhook-endpoints/{made['id']}", json={"active": True})
    assert (shown.json()["disabled_reason"], await alerts(post)) == (None, [])
    assert (await post.client.get(f"/v1/webhook-endpoints/{other['id']}")).json()["active"] is True


async def test_five_days_of_failures_switch_an_endpoint_off_and_what_was_due_is_not_sent(post: Post) -> None:
    made = await post.listen()
    post.receiver.replies = [BROKEN] * 3
    await post.end(await post.submit())
    await post.deliver()
    post.clock.turn(days=4, hours=23)
    await post.deliver()
    assert (await post.client.get(f"/v1/webhook-endpoints/{made['id']}")).json()["active"] is True
    post.clock.turn(hours=1)
    await post.deliver()
    shown = (await post.client.get(f"/v1/webhook-endpoints/{made['id']}")).json()
    assert (shown["active"], shown["disabled_reason"]) == (False, "it has failed for 5 days")
    assert len(await alerts(post)) == 1
    post.clock.turn(days=1)
    await post.deliver()
    (delivery,) = await post.deliveries(state="failed")
    assert (delivery["log"][-1]["error"], len(post.receiver.got)) == ("the endpoint is switched off", 3)


async def test_a_name_that_turns_inside_after_it_was_accepted_is_not_followed(post: Post) -> None:
    """The resolver first says what is public; at the delivery, what is inside."""
    accepted = await post.client.post("/v1/webhook-endpoints", json={"url": "https://rebind.example.org/hook"})
    assert accepted.status_code == 201
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    await post.end(await post.submit())
    closed = WebhookDelivery(
        post.services.database, Outbound(resolve=resolve), NOTHING, post.duty._secret, clock=post.clock, draw=lambda: 0
    )
    await post.deliver(closed)
    post.clock.turn(seconds=5)
    await post.deliver(closed)
    (delivery,) = await post.deliveries()
    assert [tried["error"] for tried in delivery["log"]] == ["the receiver has a host inside a private network"] * 2
    assert (asked, post.receiver.got) == (["rebind.example.org"] * 2, [])


async def test_an_address_that_the_operator_allows_no_longer_is_not_reached(post: Post) -> None:
    await post.listen()
    await post.end(await post.submit())
    closed = WebhookDelivery(post.services.database, Outbound(), NOTHING, post.duty._secret, clock=post.clock)
    await post.deliver(closed)
    (delivery,) = await post.deliveries()
    assert "private or reserved address" in delivery["log"][0]["error"]
    assert post.receiver.got == []


async def test_one_slow_receiver_holds_up_its_own_deliveries_alone(post: Post) -> None:
    await post.listen("/slow")
    post.receiver.by_path = {"/slow": Reply(pause_s=1.5)}
    jobs = [await post.submit() for _ in range(AT_ONCE_PER_LANE + 2)]
    await post.end(*jobs)
    other = post.make_duty()
    await post.duty.step()
    await other.step()
    async with asyncio.timeout(10):
        while len(post.receiver.got) < AT_ONCE_PER_LANE:
            await asyncio.sleep(0.01)
    await post.listen("/quick")
    await post.end(*[await post.submit() for _ in range(6)])
    await post.duty.step()
    async with asyncio.timeout(1):
        while len(post.receiver.at("/quick")) < 6:
            await asyncio.sleep(0.01)
    assert len(post.receiver.at("/slow")) == AT_ONCE_PER_LANE
    post.receiver.by_path.clear()
    await asyncio.gather(post.duty.settled(), other.settled())
    assert len(post.receiver.at("/slow")) == AT_ONCE_PER_LANE + 2 + 6
    assert {one["state"] for one in await post.deliveries()} == {"delivered"}


async def test_both_secrets_sign_until_the_old_one_ends(post: Post) -> None:
    made = await post.listen()
    path = f"/v1/webhook-endpoints/{made['id']}"

    async def signed() -> tuple[list[str], Asked]:
        await post.end(await post.submit())
        await post.deliver()
        asked = post.receiver.got[-1]
        return asked.headers["webhook-signature"].split(" "), asked

    rotated = (await post.client.post(f"{path}/rotate-secret", json={"old_expires_in_s": 3600})).json()
    assert rotated["secret"] != made["secret"]
    found, asked = await signed()
    assert found == [signatures(rotated["secret"], asked), signatures(made["secret"], asked)]
    post.clock.turn(seconds=3600)
    found, asked = await signed()
    assert found == [signatures(rotated["secret"], asked)]

    newest = (await post.client.post(f"{path}/rotate-secret")).json()
    post.clock.turn(hours=20)
    found, asked = await signed()
    assert found == [signatures(newest["secret"], asked), signatures(rotated["secret"], asked)]
    ended = await post.client.delete(f"{path}/old-secret")
    assert ended.json()["old_secret_expires_at"] is None
    found, asked = await signed()
    assert found == [signatures(newest["secret"], asked)]
    post.clock.now = utc_now() + timedelta(minutes=1)
    own = (await post.client.get("/v1/webhook-secret")).json()["secret"]
    newer = (await post.client.post("/v1/webhook-secret/rotate")).json()["secret"]
    assert (await post.client.get("/v1/webhook-secret")).json()["secret"] == newer
    await post.end(await post.submit(webhook_url=post.receiver.url + "/own"))
    await post.deliver()
    (asked,) = post.receiver.at("/own")
    assert asked.headers["webhook-signature"].split(" ") == [signatures(newer, asked), signatures(own, asked)]
    shown = "".join(
        answer.text for answer in [ended, await post.client.get(path), await post.client.get("/v1/webhook-endpoints")]
    )
    assert "whsec" not in shown


async def test_a_worker_with_another_key_leaves_the_delivery_to_others_and_says_so(post: Post) -> None:
    await post.client.get("/v1/webhook-secret")
    await post.listen()
    await post.end(await post.submit(webhook_url=post.receiver.url + "/own"))
    allowed = post.services.settings.webhooks_allowed
    other = WebhookDelivery(post.services.database, Outbound(allowed=allowed), allowed, b"x" * 32, clock=post.clock)
    await post.deliver(other)
    assert post.receiver.got == []
    assert [one.partition(":")[0] for one in await alerts(post)] == ["webhook_key"] * 2
    post.clock.turn(minutes=1)
    await post.deliver()
    assert [(one["attempts"], len(one["log"])) for one in await post.deliveries(state="delivered")] == [(1, 1)] * 2


async def test_a_killed_workers_delivery_is_made_by_another_with_the_same_id(post: Post, settings: Settings) -> None:
    await post.listen()
    await post.end(await post.submit())
    await post.fetch("UPDATE factory.webhook_deliveries SET next_at = now() - interval '1 minute'")
    post.receiver.replies = [Reply(pause_s=3)]
    environment = child_environment(
        FACTORY_DATABASE_URL=settings.database_url or "",
        FACTORY_REDIS_URL=settings.redis_url or "",
        FACTORY_HOME=str(settings.home),
        FACTORY_WEBHOOK_ALLOW="127.0.0.1",
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(30):
        while not post.receiver.got:
            await asyncio.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    post.clock.now = utc_now()
    await post.deliver()
    (delivery,) = await post.deliveries()
    assert (delivery["state"], len(post.receiver.got)) == ("pending", 1)
    post.clock.turn(seconds=LEASE.total_seconds())
    await post.deliver()
    (delivery,) = await post.deliveries()
    assert delivery["state"] == "delivered"
    assert [asked.headers["webhook-id"] for asked in post.receiver.got] == [delivery["webhook_id"]] * 2


async def test_what_is_long_over_is_forgotten(post: Post) -> None:
    await post.listen()
    jobs = [await post.submit() for _ in range(2)]
    await post.end(jobs[0])
    await post.deliver()
    await post.end(jobs[1])
    pruning = DeliveryPruning(post.services.database)
    assert await pruning.step(post.clock.now + KEPT - timedelta(days=1)) == 0
    assert await pruning.step(post.clock.now + KEPT) == 1
    (left,) = await post.deliveries()
    assert left["job_id"] == str(jobs[1])


async def test_a_job_that_is_not_there_any_more_is_not_told_of(post: Post) -> None:
    await post.listen()
    job = await post.submit()
    await post.end(job)
    await post.fetch("UPDATE factory.webhook_deliveries SET job_id = $1", UUID(int=7))
    await post.deliver()
    (delivery,) = await post.deliveries(state="failed")
    assert delivery["log"][0]["error"] == "the job is not there any more"


async def test_a_receiver_that_is_away_is_tried_again(post: Post) -> None:
    for address in ("http://127.0.0.1:1/", "https://receiver.invalid/"):
        assert (await post.client.post("/v1/webhook-endpoints", json={"url": address})).status_code == 201
    await post.end(await post.submit())
    await post.deliver()
    tried = {one["url"]: one for one in await post.deliveries()}
    assert {(one["state"], one["attempts"], one["last_status"]) for one in tried.values()} == {("pending", 1, None)}
    assert "could not be reached" in tried["http://127.0.0.1:1/"]["log"][0]["error"]
    assert "has a host that does not exist" in tried["https://receiver.invalid/"]["log"][0]["error"]


async def test_a_fault_of_ours_is_a_try_like_another(post: Post) -> None:
    await post.listen()
    await post.end(await post.submit())
    (job,) = await post.fetch("UPDATE factory.jobs SET result = '{}' RETURNING id")
    await post.fetch("UPDATE factory.webhook_endpoints SET include_content = true")
    await post.deliver()
    (delivery,) = await post.deliveries()
    assert (delivery["state"], delivery["attempts"], delivery["job_id"]) == ("pending", 1, str(job["id"]))
    assert delivery["log"][0]["error"] == "a fault of the factory: its log says why"
    post.clock.turn(seconds=5)
    await post.fetch("UPDATE factory.webhook_endpoints SET include_content = false")
    await post.deliver()
    (delivery,) = await post.deliveries()
    assert delivery["state"] == "delivered"
