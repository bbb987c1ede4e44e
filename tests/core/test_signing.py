from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from core.signing import check_link, is_webhook_secret, sign_link

SECRET, JOB, NOW = b"a secret", UUID(int=7), datetime(2026, 11, 23, tzinfo=UTC)


def link(**changes: object) -> dict[str, object]:
    query = parse_qs(sign_link(SECRET, JOB, "audio", NOW + timedelta(hours=1)))
    found: dict[str, object] = {"secret": SECRET, "subject": JOB, "what": "audio", "now": NOW}
    return found | {name: values[0] for name, values in query.items()} | changes


def fault(**changes: object) -> str | None:
    return check_link(**link(**changes))  # type: ignore[arg-type]


def test_a_link_opens_what_it_was_made_for_until_it_expires() -> None:
    assert fault() is None
    assert fault(now=NOW + timedelta(hours=1)) == "the link has expired"


def test_a_link_opens_nothing_else() -> None:
    for changes in ({"subject": uuid4()}, {"what": "events"}, {"secret": b"another"}, {"expires": "9999999999"}):
        assert "damaged" in (fault(**changes) or "")


@given(st.text(), st.text())
def test_no_guess_opens_anything(expires: str, signature: str) -> None:
    assert "damaged" in (fault(expires=expires, signature=signature) or "")


def test_a_secret_of_an_operators_webhook_is_told_from_what_is_none() -> None:
    assert is_webhook_secret("whsec_" + "YWxlcnRz" * 3)
    for wrong in ("", "whsec_", "whsec_YWxlcnRz", "YWxlcnRz" * 3, "whsec_" + "!" * 24, "whsec_" + "YWxlcnRz" * 3 + "Y"):
        assert not is_webhook_secret(wrong)
