"""Signatures of Standard Webhooks, and what follows from an answer."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.outbound import Allowed, check_public_url, check_webhook_url
from core.signing import sign_webhook, webhook_secret
from core.webhooks import AgainAt, Answered, Delivered, EndpointGone, GivenUp, judge, readable

NOW = datetime(2026, 12, 24, 18, tzinfo=UTC)


def test_the_published_vector_is_signed_as_published() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = sign_webhook(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}'
    )
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_owner_and_number_has_a_secret_of_its_own() -> None:
    made = {
        webhook_secret(key, UUID(int=owner), number)
        for key in (b"k" * 32, b"l" * 32)
        for owner in (1, 2)
        for number in (1, 2)
    }
    assert len(made) == 8
    assert all(one.startswith("whsec_") and len(one) == 50 for one in made)


def test_the_schedule_is_that_of_standard_webhooks_and_ends() -> None:
    waits = []
    for tries in range(1, 10):
        verdict = judge(Answered(500), tries, NOW, 0)
        assert isinstance(verdict, AgainAt)
        waits.append((verdict.at - NOW).total_seconds())
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert judge(Answered(500), 10, NOW, 0) == GivenUp()
    assert judge(Answered(None, "did not answer"), 10, NOW, 0) == GivenUp()
    assert judge(Answered(500), 1, NOW, 1) == AgainAt(NOW + timedelta(seconds=5.5))


@pytest.mark.parametrize(
    ("status", "retry_after", "wait_s"),
    [
        (429, "90", 90),
        (503, " 90 ", 90),
        (503, "Thu, 24 Dec 2026 18:10:00 GMT", 600),
        (503, "1", 5),
        (503, "soon", 5),
        (503, "-5", 5),
        (503, "Thu, 24 Dec 2020 18:10:00 GMT", 5),
        (429, "9" * 400, 86_400),
        (500, "90", 5),
        (302, None, 5),
        (404, None, 5),
    ],
)
def test_a_receiver_may_name_a_later_time_with_429_and_503(status: int, retry_after: str | None, wait_s: int) -> None:
    assert judge(Answered(status, None, retry_after), 1, NOW, 0) == AgainAt(NOW + timedelta(seconds=wait_s))


def test_two_hundreds_are_success_and_410_is_goodbye() -> None:
    assert {type(judge(Answered(status), 1, NOW, 0)) for status in (200, 201, 204, 299)} == {Delivered}
    assert judge(Answered(410), 1, NOW, 0) == EndpointGone()


def test_an_answer_is_kept_as_postgres_can_hold_it() -> None:
    assert readable(b"a\x00b\xff" + b"c" * 600, 500) == "ab�" + "c" * 497


@pytest.mark.parametrize(
    ("url", "allow", "fault"),
    [
        ("https://hooks.example.org/a?b=c", "", None),
        ("http://hooks.example.org/", "", "https"),
        ("http://hooks.example.org/", "hooks.example.org", None),
        ("http://HOOKS.example.org./", "hooks.example.org", None),
        ("http://other.example.org/", "hooks.example.org", "https"),
        ("https://10.1.2.3/", "", "private"),
        ("http://10.1.2.3:8080/", "10.1.0.0/16", None),
        ("https://10.2.2.3/", "10.1.0.0/16", "private"),
        ("https://169.254.169.254/latest", "127.0.0.1", "private"),
        ("http://[::1]:99/", "[::1], receiver.internal", None),
        ("http://receiver.internal/", "[::1], receiver.internal", None),
        ("https://localhost/", "127.0.0.1", "inside this network"),
        ("https://user:word@hooks.example.org/", "hooks.example.org", "user name"),
        ("ftp://hooks.example.org/", "hooks.example.org", "http"),
    ],
)  # fmt: skip
def test_what_a_webhook_may_name(url: str, allow: str, fault: str | None) -> None:
    found = check_webhook_url(url, Allowed.of(allow))
    assert found is None if fault is None else fault in (found or "")


def test_what_is_allowed_to_webhooks_is_not_allowed_to_others() -> None:
    assert check_webhook_url("http://127.0.0.1/", Allowed.of("127.0.0.1")) is None
    assert check_public_url("http://127.0.0.1/") is not None


@pytest.mark.parametrize("text", ["10.0.0.0/99", "https://hooks.example.org", "a b"])
def test_a_list_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|neither"):
        Allowed.of(text)
