"""The dashboard as people see it, in a real browser."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.conftest import serving
from tests.dashboard.chrome import PROGRAM, Page, chromium
from tests.dashboard.many import insert_many_jobs
from tests.house import Factory

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on PATH")

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script><b>bold</b>"
PAGES = {
    "": "The line over time",
    "jobs": "Asked for",
    "batches": "No batches yet",
    "providers": "Limits in use",
    "cost": "By model",
    "routing": "Endpoints",
    "experiments": "Begin another",
    "explain": "in this order",
}
WITHIN_S = 2.0
UNCUT = "[...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
IN_SIGHT = """(() => {
  const bar = document.querySelector('#bar nav').getBoundingClientRect();
  const link = document.querySelector('#bar nav a[aria-current]').getBoundingClientRect();
  return bar.left <= link.left && link.right <= bar.right + 1;
})()"""


@asynccontextmanager
async def outside(factory: Factory) -> AsyncIterator[tuple[Page, str]]:
    """A page that asks for the key."""
    async with serving(factory.services) as url, chromium() as page:
        await page.size(1280, 900)
        await page.open(url)
        try:
            yield page, url
        finally:
            factory.services.closing.begin()  # ends the feed


@asynccontextmanager
async def looking(factory: Factory) -> AsyncIterator[tuple[Page, str]]:
    """A page on which an operator has signed in."""
    async with outside(factory) as (page, url):
        await sign_in(page, await factory.operator_key())
        await page.until("document.querySelector('.live.live')")
        yield page, url


async def sign_in(page: Page, key: str) -> None:
    await page.until("document.activeElement?.id === 'key'")
    await page.run("document.activeElement.value = ''")
    await page.type(key)
    await page.press("Enter")


async def go(page: Page, place: str) -> None:
    await page.run(f"location.hash = '#/{place}'")


async def test_every_page_opens_and_shows_text_as_text(factory: Factory) -> None:
    job = await factory.job(model="fast", prompt=EVIL, metadata={"note": EVIL})
    async with looking(factory) as (page, url):
        for place, words in PAGES.items():
            await go(page, place)
            await page.sees(words)
            assert await page.run("document.querySelectorAll('main h1').length") == 1, place
        for width, dark in ((390, True), (1280, False)):
            await page.size(width, 844, dark=dark)
            for place, words in PAGES.items():
                await go(page, place)
                await page.sees(words)
                assert await page.run("document.documentElement.scrollWidth") <= width, (place, width)
                assert await page.run(IN_SIGHT), (place, width)
                assert await page.run(UNCUT), (place, width)
        await page.size(390, 844)  # as when a phone is turned, on the last page
        await page.until(IN_SIGHT)
        await factory.execute("INSERT INTO factory.alerts (kind, subject, message) VALUES ('auth', 'a', 'b')")
        await page.until("document.querySelector('nav .dot')")
        await page.until(IN_SIGHT)
        await go(page, f"jobs/{job['id']}")
        await page.sees("<script>document.title='owned'</script><b>bold</b>")
        await page.until("document.querySelector('svg[aria-label*=\"calls\"] rect.ok')")
        assert await page.run(UNCUT)
        assert await page.run("document.querySelectorAll('main b, main script, main img').length") == 0
        assert "owned" not in await page.run("document.title")
        assert page.said == []
        assert [one for one in page.fetched if not one.startswith((url, "data:", "about:"))] == []


async def test_a_wrong_key_opens_nothing_and_signing_out_ends_it(factory: Factory) -> None:
    async with outside(factory) as (page, _):
        for key in ("fk_wrong", factory.key):
            await sign_in(page, key)
            await page.sees("not known" if key == "fk_wrong" else "project's key")
        assert not await page.run("document.cookie")
        assert await page.run("fetch('/dashboard/api/names').then((answer) => answer.status)") == 401
        await sign_in(page, await factory.operator_key())
        await page.until("document.querySelector('main h1')?.innerText === 'Overview'")
        assert await page.run("document.cookie") == ""  # no script can read it
        await page.run("[...document.querySelectorAll('button')].find((one) => one.innerText === 'Sign out').click()")
        await page.until("document.querySelector('#key')")
        assert await page.run("fetch('/dashboard/api/names').then((answer) => answer.status)") == 401


async def soon(change: Callable[[], Awaitable[Any]], page: Page, script: str) -> None:
    """What `change` gives, put into the script, is true within two seconds; on a busy machine at the third try."""
    took_s = []
    while len(took_s) < 3 and not (took_s and min(took_s) < WITHIN_S):
        changed = await change()
        began = time.monotonic()
        await page.until(script.format(changed))
        took_s.append(time.monotonic() - began)
    assert min(took_s) < WITHIN_S, took_s


async def _submit(factory: Factory) -> str:
    """A job that is over."""
    return str((await factory.job(model="fast", prompt="Soon", cache="off"))["id"])


async def _switch(factory: Factory) -> int:
    """Targets of `smart` that are off after another was switched off."""
    await factory.execute(
        "UPDATE factory.alias_targets SET active = false WHERE alias = 'smart' AND position = "
        "(SELECT min(position) FROM factory.alias_targets WHERE alias = 'smart' AND active)"
    )
    rows = await factory.execute("SELECT count(*) FROM factory.alias_targets WHERE alias = 'smart' AND NOT active")
    return int(rows[0][0])


async def test_a_change_is_seen_within_two_seconds_among_a_hundred_thousand_jobs(factory: Factory) -> None:
    await insert_many_jobs(factory, 100_000)
    async with looking(factory) as (page, _):
        await go(page, "jobs")
        await page.until("document.querySelectorAll('tbody tr').length === 50")
        await page.run("[...document.querySelectorAll('button')].find((one) => one.innerText === 'Older').click()")
        await page.sees("Page 2")
        await page.run("[...document.querySelectorAll('button')].find((one) => one.innerText === 'Newer').click()")
        await page.sees("The newest, live")
        await soon(lambda: _submit(factory), page, "document.querySelector('tbody tr[data-key=\"{}\"] .completed')")
        await go(page, "routing")
        await page.until("document.querySelectorAll('.target').length > 10")
        await soon(lambda: _switch(factory), page, "document.querySelectorAll('.target.off').length === {}")
        off = await page.run("document.querySelector('.target.off input').ariaLabel")
        assert off.startswith("smart: use openai/")
        left = await page.run("document.querySelectorAll('.target.off').length") - 1
        await page.run("document.querySelector('.target.off input').focus()")
        await page.press(" ")
        await page.until("document.querySelectorAll('.target.off').length === " + str(left))
        rows = await factory.execute("SELECT active FROM factory.alias_targets WHERE alias = 'smart' AND position = 10")
        assert rows[0]["active"]

        await go(page, "")
        await page.sees("of 10 slots")
        await factory.execute("UPDATE factory.controls SET paused = true")
        await page.sees("Everything is paused")
        await factory.settled()
        await factory.client.post("/v1/jobs", json={"model": "narrator-fast", "kind": "speech", "input": "Wait."})
        await page.sees("0 text · 1 speech")
        await factory.execute(
            "UPDATE factory.jobs SET state = 'in_progress', started_at = now() WHERE state = 'queued'"
        )
        await page.sees("No worker that is known")
        assert page.said == []


async def test_a_batch_is_drawn_and_its_jobs_are_reached_by_keyboard(factory: Factory) -> None:
    jobs = [
        {"model": "fast", "prompt": "One", "key": "one"},
        {"model": "narrator-fast", "kind": "speech", "input": "{{one.content}}", "key": "two", "after": ["one"]},
    ]
    made = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    async with looking(factory) as (page, _):
        await go(page, f"batches/{made['id']}")
        await page.until("document.querySelectorAll('.graph .node.completed').length === 2")
        assert await page.run("document.querySelectorAll('.graph path.edge').length") == 1
        await page.run("document.querySelectorAll('.graph a')[1].focus()")
        await page.press("Enter")
        await page.until("document.querySelector('audio')?.duration > 0.1")
        names = await page.run(
            "JSON.stringify([...document.querySelectorAll('button, input, select, a, audio')].filter((one) => "
            "!(one.innerText || one.ariaLabel || one.title || one.labels?.length || one.getAttribute('aria-label')))"
            ".map((one) => one.outerHTML))"
        )
        assert json.loads(names) == []
