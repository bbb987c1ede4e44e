"""Requests to addresses that callers name: they reach the open internet, and nothing inside."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.outbound import Outbound, OutboundRefused, resolve_host
from core.outbound import Allowed
from tests.adapters.server import Asked, Reply, serving


def resolving(**hosts: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that knows these hosts, `_` standing for a dot."""

    async def resolve(host: str, _port: int) -> list[str]:
        if (found := hosts.get(host.replace(".", "_"))) is None:
            raise OSError
        return found.split()

    return resolve


async def test_the_checked_address_is_the_one_connected_to_and_the_host_keeps_its_name() -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(b"picture", headers={"content-type": "image/png"})

    hosts = resolving(pictures_example_org="127.0.0.1")
    async with serving(answer) as url, Outbound(private_allowed=True, resolve=hosts) as outbound:
        named = url.replace("127.0.0.1", "pictures.example.org")
        fetched = await outbound.fetch(f"{named}/a?b=c", max_bytes=100, timeout_s=5)
    assert (fetched.status, fetched.body) == (200, b"picture")
    assert seen[0].path == "/a?b=c"
    assert f"http://{seen[0].headers['host']}" == named


@pytest.mark.parametrize("addresses", ["10.0.0.7", "93.184.216.34 10.0.0.7", "::1", "::ffff:169.254.169.254"])
async def test_a_name_that_leads_inside_is_refused(addresses: str) -> None:
    async with Outbound(resolve=resolving(rebind_example_org=addresses)) as outbound:
        with pytest.raises(OutboundRefused, match="inside a private network"):
            await outbound.fetch("http://rebind.example.org/", max_bytes=100, timeout_s=5)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost/", "http://0x7f.1/", "gopher://example.org/"])
async def test_an_address_that_says_it_itself_is_refused_unresolved(url: str) -> None:
    async with Outbound(resolve=resolving()) as outbound:
        with pytest.raises(OutboundRefused, match="has an address that"):
            await outbound.post(url, content=b"{}", headers={}, timeout_s=5)


async def test_what_the_operator_named_is_reached_and_nothing_else() -> None:
    hosts = resolving(hooks_internal="127.0.0.1", other_example_org="127.0.0.1", far_example_org="127.0.0.2")
    async with serving(lambda _: Reply(b"done")) as url:
        port = url.rpartition(":")[2]

        async def reaches(allow: str, host: str) -> bool:
            async with Outbound(allowed=Allowed.of(allow), resolve=hosts) as outbound:
                try:
                    await outbound.post(f"http://{host}:{port}/", content=b"", headers={}, timeout_s=5)
                except OutboundRefused as refused:
                    return "inside" not in str(refused)
                return True

        assert await reaches("hooks.internal", "hooks.internal")
        assert await reaches("127.0.0.1", "other.example.org")
        assert await reaches("127.0.0.0/30", "other.example.org")
        assert not await reaches("hooks.internal", "other.example.org")
        assert not await reaches("127.0.0.1", "far.example.org")
        assert not await reaches("127.0.0.1", "hooks.internal")


async def test_a_host_that_does_not_exist_is_refused() -> None:
    async with Outbound(resolve=resolving()) as outbound:
        with pytest.raises(OutboundRefused, match="does not exist"):
            await outbound.fetch("http://nowhere.example.org/", max_bytes=100, timeout_s=5)


async def test_a_redirect_is_followed() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(b"done") if asked.path == "/there" else Reply(status="302 Found", headers={"location": "/there"})

    async with serving(answer) as url, Outbound(private_allowed=True) as outbound:
        fetched = await outbound.fetch(f"{url}/here", max_bytes=100, timeout_s=5)
    assert fetched.body == b"done"


async def test_a_redirect_into_the_network_is_refused() -> None:
    """The first address is let through, as if it were public; the second is judged by what it is."""

    def answer(_asked: Asked) -> Reply:
        return Reply(status="302 Found", headers={"location": "http://169.254.169.254/latest/meta-data/"})

    class FirstStepFree(Outbound):
        async def _checked_address(self, url: str, asked: object) -> str:
            if "good.example.org" in url:
                return "127.0.0.1"
            return await super()._checked_address(url, asked)  # type: ignore[arg-type]

    async with serving(answer) as url, FirstStepFree() as outbound:
        with pytest.raises(OutboundRefused, match="private or reserved"):
            await outbound.fetch(url.replace("127.0.0.1", "good.example.org"), max_bytes=100, timeout_s=5)


async def test_a_chain_of_redirects_ends() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(status="302 Found", headers={"location": asked.path + "x"})

    async with serving(answer) as url, Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match="more than 3 times"):
            await outbound.fetch(f"{url}/", max_bytes=100, timeout_s=5)


async def test_a_body_that_is_too_large_is_refused_and_a_posts_answer_cut() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(asked.body * 10_000 if asked.body else b"x" * 3_000_000)

    async with serving(answer) as url, Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match="larger than 2 MB"):
            await outbound.fetch(url, max_bytes=2_000_000, timeout_s=5)
        posted = await outbound.post(url, content=b"hook", headers={"x-a": "b"}, timeout_s=5, max_answer_bytes=8)
    assert posted.body == b"hookhook"


async def test_a_post_carries_its_headers_and_does_not_follow_a_redirect() -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(status="307 Temporary Redirect", headers={"location": "http://169.254.169.254/"})

    async with serving(answer) as url, Outbound(private_allowed=True) as outbound:
        posted = await outbound.post(url, content=b"{}", headers={"webhook-id": "7"}, timeout_s=5)
    assert posted.status == 307
    assert [(asked.body, asked.headers["webhook-id"]) for asked in seen] == [(b"{}", "7")]


async def test_a_slow_server_is_given_up() -> None:
    async with serving(lambda _: Reply(pause_s=5)) as url, Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match=r"within 0\.1 s|could not be reached"):
            await outbound.fetch(url, max_bytes=100, timeout_s=0.1)


async def test_a_server_that_is_not_there_is_named_as_such() -> None:
    async with Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match="could not be reached"):
            await outbound.fetch("http://127.0.0.1:9/", max_bytes=100, timeout_s=5)
    assert "127.0.0.1" in await resolve_host("127.0.0.1", 80)
