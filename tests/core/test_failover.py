from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from core.failover import Fail, RetryAt, Step, after_all_routes, next_step
from core.health import Rest
from core.provider import ErrorKind, ProviderError
from core.schema_checks import SCHEMA_VIOLATION

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def decide(
    *errors: ProviderError,
    resting: Sequence[Rest] = (),
    attempts: int = 1,
    deadline: datetime | None = None,
    patient: bool = True,
) -> RetryAt | Fail:
    return after_all_routes(
        [("openai", error) for error in errors],
        [("google", rest) for rest in resting],
        attempts=attempts,
        max_attempts=5,
        deadline=deadline,
        now=NOW,
        base_s=1,
        cap_s=60,
        jitter=0.5,
        out_of_patience=not patient,
    )


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind not in (
    ErrorKind.invalid_request, ErrorKind.content_policy, ErrorKind.invalid_response)])  # fmt: skip
def test_a_providers_trouble_goes_to_the_next_route(kind: ErrorKind) -> None:
    assert next_step(ProviderError(kind, "no"), asked_again=False, on_content_policy="fail") is Step.next_route


def test_the_callers_fault_is_never_tried_elsewhere() -> None:
    assert (
        next_step(ProviderError(ErrorKind.invalid_request, "no"), asked_again=False, on_content_policy="next")
        is Step.fail
    )


def test_content_policy_goes_on_only_if_the_alias_allows_it() -> None:
    assert (
        next_step(ProviderError(ErrorKind.content_policy, "no"), asked_again=False, on_content_policy="fail")
        is Step.fail
    )
    assert (
        next_step(ProviderError(ErrorKind.content_policy, "no"), asked_again=False, on_content_policy="next")
        is Step.next_route
    )


def test_a_bad_answer_is_asked_for_once_more() -> None:
    assert (
        next_step(ProviderError(ErrorKind.invalid_response, "no"), asked_again=False, on_content_policy="fail")
        is Step.ask_again
    )
    assert (
        next_step(ProviderError(ErrorKind.invalid_response, "no"), asked_again=True, on_content_policy="fail")
        is Step.next_route
    )


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


def rest(scope: str, kind: str, seconds: float) -> Rest:
    return Rest(scope, kind, "because", NOW + timedelta(seconds=seconds))


def test_to_wait_for_rests_alone_is_no_attempt() -> None:
    broken, limited = rest("breaker", "overloaded", 20), rest("route", "rate_limited", 30)
    for attempts in (1, 9):
        waiting = decide(resting=[broken, limited], attempts=attempts)
        assert isinstance(waiting, RetryAt)
        assert waiting.run_at >= NOW + timedelta(seconds=20)
        assert not waiting.counted


def test_patience_with_a_breaker_ends_but_not_with_a_named_limit() -> None:
    broken, limited = rest("breaker", "overloaded", 20), rest("route", "rate_limited", 30)
    assert isinstance(decide(resting=[limited], attempts=9, patient=False), RetryAt)
    ended = decide(resting=[broken], patient=False)
    assert isinstance(ended, Fail)
    assert (ended.error.kind, ended.error.provider, ended.error.retryable) == ("overloaded", "google", True)
    assert "because" in ended.error.message


def test_a_schema_that_no_route_met_is_not_tried_again_later() -> None:
    broken = ProviderError(ErrorKind.invalid_response, "not what was asked", code=SCHEMA_VIOLATION)
    assert isinstance(decide(broken, broken), Fail)
    assert isinstance(decide(broken, ProviderError(ErrorKind.timeout, "slow")), RetryAt)


def test_a_dead_credential_is_not_waited_for() -> None:
    assert decide(resting=[rest("credential", "auth", 86400)]) == RetryAt(NOW + timedelta(seconds=1))


def test_routes_that_failed_and_routes_that_rest_wait_for_the_earliest_together() -> None:
    error = ProviderError(ErrorKind.rate_limited, "slow", retry_after_s=90)
    assert decide(error, resting=[rest("breaker", "timeout", 12)]) == RetryAt(NOW + timedelta(seconds=12))
