"""What is wrong with a configuration that Postgres accepted: named for operators, never in the way of the workers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.catalog import Alias, Catalog, Endpoint, Model, Target
from core.configuration_shapes import parameter_problems, settings_problems
from core.filters import serves
from core.provider import HandlerSpec

SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Fault:
    """`subject` is a table and a key, as in the audit trail; `code` is stable."""

    subject: str
    code: str
    message: str


def find_faults(catalog: Catalog, handlers: Mapping[str, HandlerSpec], now: datetime) -> list[Fault]:
    """All of them, by subject."""
    found = [
        *_of_endpoints(catalog, handlers),
        *_of_models(catalog, handlers, now),
        *_of_aliases(catalog, handlers, now),
        *_of_voices(catalog),
        *_of_projects(catalog),
    ]
    return sorted(found, key=lambda fault: (fault.subject, fault.code))


def _of_endpoints(catalog: Catalog, handlers: Mapping[str, HandlerSpec]) -> Iterator[Fault]:
    for provider, endpoints in catalog.endpoints.items():
        for endpoint in endpoints:
            subject = f"provider_endpoints {provider}/{endpoint.id}"
            handler = handlers.get(endpoint.handler_function)
            if handler is None:
                known = ", ".join(sorted(handlers))
                yield Fault(subject, "handler", f"there is no handler {endpoint.handler_function!r}; handlers: {known}")
            elif endpoint.active and not any(
                model.provider == provider and _is_served_by(model, endpoint, handlers)
                for model in catalog.models.values()
            ):
                yield Fault(
                    subject,
                    "serves_nothing",
                    f"no {handler.kind} model of {provider} fits model_pattern {endpoint.model_pattern!r}",
                )


def _of_models(catalog: Catalog, handlers: Mapping[str, HandlerSpec], now: datetime) -> Iterator[Fault]:
    for model in catalog.models.values():
        if not _is_on(model, catalog, now):
            continue
        subject = f"models {model.name}"
        if catalog.price_at(model, now) is None:
            yield Fault(subject, "price", "it is active and has no price: what it costs is unknown")
        if not _is_served(model, catalog, handlers):
            yield Fault(subject, "not_served", "it is active, and no active endpoint serves it")


def _of_aliases(catalog: Catalog, handlers: Mapping[str, HandlerSpec], now: datetime) -> Iterator[Fault]:
    for alias in catalog.aliases.values():
        project = catalog.projects.get(alias.project_id) if alias.project_id else None
        subject = f"aliases {alias.alias}" + (f" of project {project.name}" if project else "")
        yield from _of_alias(alias, subject, catalog, handlers, now)


def _of_alias(
    alias: Alias, subject: str, catalog: Catalog, handlers: Mapping[str, HandlerSpec], now: datetime
) -> Iterator[Fault]:
    usable = 0
    for target in alias.targets:
        model, name = catalog.models.get((target.provider, target.model_id)), f"{target.provider}/{target.model_id}"
        if model is None:
            yield Fault(subject, "missing_model", f"there is no model {name}")
            continue
        if target.active and model.retires_on is not None:
            if model.retires_on <= now.date():
                yield Fault(subject, "retired", f"{name} was switched off by its provider on {model.retires_on}")
            elif model.retires_on <= (now + SOON).date():
                yield Fault(subject, "retires_soon", f"{name} is switched off by its provider on {model.retires_on}")
        usable += target.active and _is_on(model, catalog, now) and _is_served(model, catalog, handlers)
        yield from _of_target(target, name, subject)
    if not usable:
        reason = "every target is inactive, retired or not served" if alias.targets else "it has no targets"
        yield Fault(subject, "no_route", f"{reason}: jobs that name it are refused")


def _of_target(target: Target, name: str, subject: str) -> Iterator[Fault]:
    for problem in parameter_problems(target.parameters):
        where = f".{problem.field}" if problem.field else ""
        yield Fault(subject, "parameters", f"{name}: parameters{where}: {problem.message}")


def _of_voices(catalog: Catalog) -> Iterator[Fault]:
    speaking = {model.provider for model in catalog.models.values() if model.kind == "speech" and model.active}
    for voice in catalog.voices.values():
        subject = f"voices {voice.provider}/{voice.voice}"
        if not voice.provider_voice_id.strip():
            yield Fault(subject, "voice_id", "it has no provider_voice_id")
        if voice.provider not in speaking:
            yield Fault(subject, "not_spoken", f"{voice.provider} has no active speech model")


def _of_projects(catalog: Catalog) -> Iterator[Fault]:
    for project in catalog.projects.values():
        for problem in settings_problems(project.settings):
            where = f"settings.{problem.field}" if problem.field else "settings"
            yield Fault(f"projects {project.name}", "settings", f"{where}: {problem.message}")


def _is_on(model: Model, catalog: Catalog, now: datetime) -> bool:
    provider = catalog.providers.get(model.provider)
    on = model.active and provider is not None and provider.active
    return on and (model.retires_on is None or model.retires_on > now.date())


def _is_served(model: Model, catalog: Catalog, handlers: Mapping[str, HandlerSpec]) -> bool:
    endpoints = catalog.endpoints.get(model.provider, ())
    return any(endpoint.active and _is_served_by(model, endpoint, handlers) for endpoint in endpoints)


def _is_served_by(model: Model, endpoint: Endpoint, handlers: Mapping[str, HandlerSpec]) -> bool:
    handler = handlers.get(endpoint.handler_function)
    return handler is not None and handler.kind == model.kind and serves(endpoint.model_pattern, model.model_id)
