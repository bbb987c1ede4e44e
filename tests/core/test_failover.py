from datetime import UTC, datetime, timedelta

import pytest

from core.failover import Fail, RetryAt, Step, after_all_routes, next_step
from core.provider import ErrorKind, ProviderError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def decide(*errors: ProviderError, attempts: int = 1, deadline: datetime | None = None) -> RetryAt | Fail:
    return after_all_routes(
        [("openai", error) for error in errors],
        attempts=attempts,
        max_attempts=5,
        deadline=deadline,
        now=NOW,
        base_s=1,
        cap_s=60,
        jitter=0.5,
    )


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind not in (
    ErrorKind.invalid_request, ErrorKind.content_policy, ErrorKind.invalid_response)])  # fmt: skip
def test_a_providers_trouble_goes_to_the_next_route(kind: ErrorKind) -> None:
    assert next_step(kind, asked_again=False, on_content_policy="fail") is Step.next_route


def test_the_callers_fault_is_never_tried_elsewhere() -> None:
    assert next_step(ErrorKind.invalid_request, asked_again=False, on_content_policy="next") is Step.fail


def test_content_policy_goes_on_only_if_the_alias_allows_it() -> None:
    assert next_step(ErrorKind.content_policy, asked_again=False, on_content_policy="fail") is Step.fail
    assert next_step(ErrorKind.content_policy, asked_again=False, on_content_policy="next") is Step.next_route


def test_a_bad_answer_is_asked_for_once_more() -> None:
    assert next_step(ErrorKind.invalid_response, asked_again=False, on_content_policy="fail") is Step.ask_again
    assert next_step(ErrorKind.invalid_response, asked_again=True, on_content_policy="fail") is Step.next_route


def test_waits_grow_with_the_attempts_up_to_the_cap() -> None:
    error = ProviderError(ErrorKind.overloaded, "busy")
    first, fourth = decide(error, attempts=1), decide(error, attempts=4)
    assert first == RetryAt(NOW + timedelta(seconds=1))
    assert fourth == RetryAt(NOW + timedelta(seconds=8))


def test_the_earliest_time_that_a_provider_named_is_honoured() -> None:
    errors = [
        ProviderError(ErrorKind.rate_limited, "slow", retry_after_s=90),
        ProviderError(ErrorKind.rate_limited, "slow", retry_after_s=30),
    ]
    assert decide(*errors) == RetryAt(NOW + timedelta(seconds=30))


def test_attempts_and_the_deadline_end_it() -> None:
    error = ProviderError(ErrorKind.overloaded, "busy", status=503, request_id="req_1")
    ended = decide(error, attempts=5)
    assert isinstance(ended, Fail)
    assert (ended.error.kind, ended.error.provider, ended.error.status) == ("overloaded", "openai", 503)
    assert isinstance(decide(error, deadline=NOW + timedelta(seconds=0.5)), Fail)
