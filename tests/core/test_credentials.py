from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.catalog import Catalog, Endpoint
from core.credentials import EMULATED_KEY, address_of, endpoints_without_credential
from core.settings import resolve_secret


def endpoint(**changes: Any) -> Endpoint:
    fields: dict[str, Any] = {
        "id": uuid4(), "provider": "openai", "base_url": "https://api.openai.com/v1", "endpoint_pattern": None,
        "handler_function": "openai.chat_completions", "model_pattern": "*", "credential": "env:FACTORY_TEST_KEY",
        "region": "global", "priority": 100, "active": True, "seeded": True,
    }  # fmt: skip
    return Endpoint(**{**fields, **changes})


def test_a_shipped_endpoint_goes_to_the_emulator_under_its_providers_name() -> None:
    address = address_of(endpoint(), "http://127.0.0.1:1/")
    assert address == ("http://127.0.0.1:1/openai/v1", EMULATED_KEY)


def test_an_own_address_is_never_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    own = endpoint(base_url="http://127.0.0.1:8080/v1", seeded=False)
    assert address_of(own, "http://127.0.0.1:1") == ("http://127.0.0.1:8080/v1", None)
    monkeypatch.setenv("FACTORY_TEST_KEY", "k")
    assert address_of(own, None) == ("http://127.0.0.1:8080/v1", "k")


def test_a_missing_key_is_named_for_shipped_endpoints_alone() -> None:
    shipped, own = endpoint(), endpoint(seeded=False)
    catalog = Catalog.of(version=1, endpoints=[shipped, own])
    missing = endpoints_without_credential(catalog, emulated=False, resolve=lambda _: None)
    assert missing == {shipped.id: "its credential env:FACTORY_TEST_KEY is not set"}
    assert endpoints_without_credential(catalog, emulated=True, resolve=lambda _: None) == {}


def test_the_first_name_that_is_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACTORY_SECOND", "two")
    assert resolve_secret("env:FACTORY_FIRST,FACTORY_SECOND") == "two"
    monkeypatch.setenv("FACTORY_FIRST", "one")
    assert resolve_secret("env:FACTORY_FIRST,FACTORY_SECOND") == "one"


def test_a_key_in_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert resolve_secret(f"file:{path}") is None
    path.write_text("old\n")
    assert resolve_secret(f"file:{path}") == "old"
    path.write_text("new\n")
    import os

    os.utime(path, ns=(1, 1))
    assert resolve_secret(f"file:{path}") == "new"
