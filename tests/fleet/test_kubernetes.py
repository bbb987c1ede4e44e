"""No cluster runs where these tests run: so the manifests are held against the schemas of Kubernetes and KEDA, and every
command, variable, port, label and query in them against what there is."""

import json
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from broker.queue import POOLS
from core.settings import PROVIDER_KEY_NAMES, Settings
from producer.cli import COMMANDS, main
from tests.house import Factory

ROOT = Path(__file__).parents[2] / "deploy" / "kubernetes"
KEDA = json.loads((Path(__file__).parent / "keda.schema.json").read_text())
KNOWN = {f"FACTORY_{name.upper()}" for name in Settings.model_fields} | set(PROVIDER_KEY_NAMES)
OBJECTS: list[dict[str, Any]] = [
    one for path in sorted(ROOT.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())
]


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in OBJECTS if one["kind"] in kinds}


WORKLOADS = of_kind("Deployment", "Job")
SCALED = of_kind("ScaledObject")
PROBES = ("startup", "liveness")


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def test_everything_is_what_kubernetes_and_keda_take() -> None:
    for one in OBJECTS:
        if one["apiVersion"].startswith("keda.sh/"):
            jsonschema_rs.validate(KEDA[one["kind"]], one)
        elif one["kind"] != "Kustomization":
            kubernetes_validate.validate(one, "1.37", strict=True)


def test_the_schemas_refuse_what_is_misspelt() -> None:
    job, scaled = of_kind("Job")["Job/migrate"], SCALED["ScaledObject/worker-text"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**job, "spec": {**job["spec"], "backofLimit": 1}}, "1.37", strict=True)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(KEDA["ScaledObject"], {**scaled, "spec": {**scaled["spec"], "maxReplicas": 1}})


def test_every_file_but_the_secret_is_applied() -> None:
    (kustomization,) = (one for one in OBJECTS if one["kind"] == "Kustomization")
    files = {path.name for path in ROOT.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(kustomization["resources"]) == files


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_program_runs_a_command_that_exists_with_settings_that_exist(name: str) -> None:
    (container,) = pod_of(WORKLOADS[name])["containers"]
    command, *rest = container["args"]
    assert command in COMMANDS
    found = main.get_command(click.Context(main), command)  # type: ignore[attr-defined]
    assert found is not None
    found.make_context(command, list(rest))
    assert {one["name"] for one in container.get("env", ())} <= KNOWN
    assert container["envFrom"] == [{"configMapRef": {"name": "factory"}}, {"secretRef": {"name": "factory"}}]


def test_the_settings_are_settings_and_they_fit() -> None:
    (settings,) = of_kind("ConfigMap").values()
    (secret,) = of_kind("Secret").values()
    given = {**settings["data"], **secret["stringData"]}
    assert set(given) <= KNOWN
    assert not set(settings["data"]) & set(secret["stringData"])
    Settings(**{name.removeprefix("FACTORY_").lower(): value for name, value in settings["data"].items()})


@pytest.mark.parametrize("name", sorted(of_kind("Deployment")))
def test_labels_find_their_pods_and_a_drain_evicts_them_one_by_one(name: str) -> None:
    workload = WORKLOADS[name]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"] == labels
    budgets = [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget").values()]
    assert budgets.count(labels) == 1


def test_the_grace_period_is_longer_than_the_drain() -> None:
    (settings,) = of_kind("ConfigMap").values()
    for pool in POOLS:
        assert pod_of(WORKLOADS[f"Deployment/worker-{pool}"])["terminationGracePeriodSeconds"] > int(
            settings["data"]["FACTORY_DRAIN_S"]
        )
    api = pod_of(WORKLOADS["Deployment/api"])
    (container,) = api["containers"]
    wait_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    fields = Settings.model_fields
    assert api["terminationGracePeriodSeconds"] > wait_s + fields["notice_s"].default + fields["grace_s"].default


def test_the_service_and_the_probes_meet_the_port() -> None:
    (container,) = pod_of(WORKLOADS["Deployment/api"])["containers"]
    (settings,) = of_kind("ConfigMap").values()
    (port,) = container["ports"]
    assert str(port["containerPort"]) == settings["data"]["FACTORY_PORT"]
    service = of_kind("Service")["Service/api"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    probes = {container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"/healthz", "/readyz"}
    for pool in POOLS:
        (container,) = pod_of(WORKLOADS[f"Deployment/worker-{pool}"])["containers"]
        (port,) = container["ports"]
        assert {"name": "FACTORY_METRICS_PORT", "value": str(port["containerPort"])} in container["env"]
        probes = {(asked["path"], asked["port"]) for asked in (container[f"{name}Probe"]["httpGet"] for name in PROBES)}
        assert probes == {("/healthz", port["name"])}


async def test_what_scales_the_workers_is_answered_by_the_api_and_by_the_database(factory: Factory) -> None:
    """Nothing but four jobs that wait for a worker: fewer than the slots of one."""
    await factory.execute("UPDATE factory.projects SET paused = true")
    await factory.settled()
    for kind in ("text", "speech", "speech", "speech"):
        asked = (
            {"kind": kind, "model": "narrator", "input": "x"} if kind == "speech" else {"model": "fast", "prompt": "x"}
        )
        assert (await factory.client.post("/v1/jobs", json={**asked, "cache": "off"})).status_code == 202
    for pool in POOLS:
        scaled = SCALED[f"ScaledObject/worker-{pool}"]["spec"]
        workload = WORKLOADS[f"Deployment/{scaled['scaleTargetRef']['name']}"]
        (container,) = pod_of(workload)["containers"]
        assert {"name": "FACTORY_WORKER_POOLS", "value": pool} in container["env"]
        api, database = (trigger["metadata"] for trigger in scaled["triggers"])
        path, _, query = api["url"].partition("/v1/")[2].partition("?")
        assert query == f"slots_per_worker={container['args'][-1]}"
        answer = (await factory.client.get(f"/v1/{path}?{query}")).json()
        for name in api["valueLocation"].split("."):
            answer = answer[name]
        assert answer == 1
        (row,) = await factory.execute(database["query"])
        assert int(row[0]) == 1
