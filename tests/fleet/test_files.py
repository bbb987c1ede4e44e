"""No Docker engine runs where these tests run: so every command, option, variable, port and path is looked up."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from core.settings import PROVIDER_KEY_NAMES, Settings
from producer.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: one for name, one in COMPOSE["services"].items() if one.get("image") == "ai-provider-factory"}
KNOWN = {f"FACTORY_{name.upper()}" for name in Settings.model_fields} | set(PROVIDER_KEY_NAMES)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_runs_a_command_with_options_that_exist(name: str) -> None:
    command, *rest = OURS[name]["command"]
    assert command in COMMANDS
    found = main.get_command(click.Context(main), command)  # type: ignore[attr-defined]
    assert found is not None
    found.make_context(command, list(rest))


def test_every_variable_is_a_setting_or_a_provider_key() -> None:
    given = {variable for service in OURS.values() for variable in service["environment"]}
    given |= set(re.findall(r"\b(FACTORY_[A-Z_]+)=", DOCKERFILE))
    assert given <= KNOWN
    assert {"FACTORY_DATABASE_URL", "FACTORY_REDIS_URL", "FACTORY_STORAGE_URL"} <= given


def test_ports_and_places_agree() -> None:
    assert f"FACTORY_PORT={Settings.model_fields['port'].default}" in DOCKERFILE
    assert f"EXPOSE {Settings.model_fields['port'].default}" in DOCKERFILE
    assert COMPOSE["services"]["api"]["ports"] == ["${FACTORY_PORT:-8400}:8400"]
    assert "FACTORY_STORAGE_URL=/data/storage" in DOCKERFILE
    assert all("audio:/data/storage" in service["volumes"] for service in OURS.values())
    assert {volume.split(":")[0] for one in COMPOSE["services"].values() for volume in one.get("volumes", ())} == set(
        COMPOSE["volumes"]
    )


def test_the_image_holds_every_room_and_runs_as_nobody_special() -> None:
    copied = set(re.findall(r"^COPY (\w+) \./\w+$", DOCKERFILE, re.MULTILINE))
    packages = re.search(r"packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text())
    assert packages is not None
    assert copied == set(re.findall(r'"(\w+)"', packages[1]))
    for files in re.findall(r"^COPY ((?!--from)[^\n]+) \./$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in files.split())
    assert "COPY clients/python ./clients/python\n" in DOCKERFILE
    assert "--no-build-isolation ./clients/python . " in DOCKERFILE
    final = DOCKERFILE.split("FROM ")[-1]
    assert re.search(r"^USER factory$", final, re.MULTILINE)
    assert "ca-certificates" in final
    assert "--require-hashes" in DOCKERFILE


def test_a_stopping_worker_has_longer_than_its_jobs_may_take_to_drain() -> None:
    grace = int(COMPOSE["services"]["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["drain_s"].default


def test_nothing_starts_before_what_it_needs() -> None:
    services = COMPOSE["services"]
    for name in ("api", "worker"):
        needs = services[name]["depends_on"]
        assert needs["migrate"] == {"condition": "service_completed_successfully"}
        for server in ("postgres", "valkey"):
            assert needs[server] == {"condition": "service_healthy"}
            assert "healthcheck" in services[server]
    assert services["emulator"]["profiles"] == ["emulator"]
