"""A snapshot of what Postgres says about providers, models, prices, aliases, voices and projects.

It is replaced as a whole when the configuration changes; nothing in it is ever mutated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Provider:
    id: str
    name: str
    active: bool
    regions: tuple[str, ...]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`model_pattern`: globs separated by spaces, a leading `!` excludes. `seeded` is True while
    address, handler and credential are those that the factory shipped."""

    id: UUID
    provider: str
    base_url: str
    endpoint_pattern: str | None
    handler_function: str
    model_pattern: str
    credential: str | None
    region: str
    priority: int
    active: bool
    seeded: bool
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """`parameters` says what the adapter must know of the model: `sampling effort tools token_cap thinking …`."""

    provider: str
    model_id: str
    kind: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    max_input_tokens: int | None = None
    max_input_characters: int | None = None
    default_voice: str | None = None
    dimensions: int | None = None
    capabilities: frozenset[str] = frozenset()
    regions: tuple[str, ...] = ("global",)
    active: bool = True
    retires_on: date | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model_id}"


@dataclass(frozen=True, slots=True)
class Price:
    """Unit prices in force from `valid_from`: USD per million tokens or characters. None = not known.

    A prompt above `threshold_tokens` reprices the whole request at the threshold rates. `regional_surcharge` and
    `service_tiers` are factors of all rates.
    """

    provider: str
    model_id: str
    valid_from: datetime
    input_usd_per_mtok: Decimal | None = None
    output_usd_per_mtok: Decimal | None = None
    cached_input_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    cache_write_1h_usd_per_mtok: Decimal | None = None
    audio_usd_per_mchar: Decimal | None = None
    batch_discount: Decimal | None = None
    threshold_tokens: int | None = None
    threshold_input_usd_per_mtok: Decimal | None = None
    threshold_output_usd_per_mtok: Decimal | None = None
    threshold_cached_input_usd_per_mtok: Decimal | None = None
    threshold_cache_write_usd_per_mtok: Decimal | None = None
    threshold_cache_write_1h_usd_per_mtok: Decimal | None = None
    regional_surcharge: Mapping[str, Decimal] = field(default_factory=dict)
    service_tiers: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Names this price row in the ledger."""
        return _name_price(self.provider, self.model_id, self.valid_from)


@cache
def _name_price(provider: str, model_id: str, valid_from: datetime) -> str:
    return f"{provider}/{model_id}@{valid_from:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Target:
    provider: str
    model_id: str
    position: int
    weight: int
    parameters: Mapping[str, Any]
    active: bool = True


@dataclass(frozen=True, slots=True)
class Alias:
    """What a semantic name means: for everybody, or for one project alone. `split_by`: what draws the same target again
    under the strategy `weighted`: `project`, `job`, or `metadata.KEY`."""

    alias: str
    project_id: UUID | None
    strategy: str
    on_content_policy: str
    latency_bound_ms: int | None
    revision: int
    targets: tuple[Target, ...]
    split_by: str = "project"


@dataclass(frozen=True, slots=True)
class Voice:
    voice: str
    provider: str
    provider_voice_id: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Project:
    id: UUID
    name: str
    active: bool
    weight: int
    settings: Mapping[str, Any]
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything routing and pricing need, indexed. Build it with `Catalog.of`. `voices_of`: the providers' own names
    of the voices in the table. `paused`: no job is started."""

    version: int
    providers: Mapping[str, Provider]
    endpoints: Mapping[str, tuple[Endpoint, ...]]
    models: Mapping[tuple[str, str], Model]
    models_by_id: Mapping[str, tuple[Model, ...]]
    prices: Mapping[tuple[str, str], tuple[Price, ...]]
    aliases: Mapping[tuple[str, UUID | None], Alias]
    voices: Mapping[tuple[str, str], Voice]
    voice_names: frozenset[str]
    voices_of: Mapping[str, frozenset[str]]
    projects: Mapping[UUID, Project]
    paused: bool

    @classmethod
    def of(
        cls,
        *,
        version: int,
        providers: Sequence[Provider] = (),
        endpoints: Sequence[Endpoint] = (),
        models: Sequence[Model] = (),
        prices: Sequence[Price] = (),
        aliases: Sequence[Alias] = (),
        voices: Sequence[Voice] = (),
        projects: Sequence[Project] = (),
        paused: bool = False,
    ) -> "Catalog":
        by_provider: dict[str, list[Endpoint]] = {}
        for endpoint in sorted(endpoints, key=lambda one: (one.priority, str(one.id))):
            by_provider.setdefault(endpoint.provider, []).append(endpoint)
        by_id: dict[str, list[Model]] = {}
        for model in models:
            by_id.setdefault(model.model_id, []).append(model)
        own_voices: dict[str, set[str]] = {}
        for voice in voices:
            own_voices.setdefault(voice.provider, set()).add(voice.provider_voice_id)
        by_model: dict[tuple[str, str], list[Price]] = {}
        for price in sorted(prices, key=lambda one: one.valid_from):
            by_model.setdefault((price.provider, price.model_id), []).append(price)
        return cls(
            version=version,
            providers={one.id: one for one in providers},
            endpoints={name: tuple(rows) for name, rows in by_provider.items()},
            models={(one.provider, one.model_id): one for one in models},
            models_by_id={name: tuple(rows) for name, rows in by_id.items()},
            prices={name: tuple(rows) for name, rows in by_model.items()},
            aliases={(one.alias, one.project_id): one for one in aliases},
            voices={(one.voice, one.provider): one for one in voices},
            voice_names=frozenset(one.voice for one in voices),
            voices_of={name: frozenset(ids) for name, ids in own_voices.items()},
            projects={one.id: one for one in projects},
            paused=paused,
        )

    def name_of(self, project_id: UUID) -> str:
        """A project's name; of one that was just made, its id."""
        project = self.projects.get(project_id)
        return project.name if project else str(project_id)

    def weight_of(self, project_id: UUID) -> int:
        """A project's share beside the others; of one that was just made, what a new one has."""
        project = self.projects.get(project_id)
        return project.weight if project else 100

    def find_alias(self, name: str, project_id: UUID | None) -> Alias | None:
        """A project's own meaning of an alias goes before everybody's."""
        own = self.aliases.get((name, project_id)) if project_id else None
        return own or self.aliases.get((name, None))

    def find_models(self, name: str) -> tuple[Model, ...]:
        """By exact model id, else by `provider/model_id`."""
        if found := self.models_by_id.get(name):
            return found
        provider, _, model_id = name.partition("/")
        model = self.models.get((provider, model_id))
        return (model,) if model else ()

    def price_at(self, model: Model, when: datetime) -> Price | None:
        """The price valid at a time; None when there is none."""
        in_force = None
        for price in self.prices.get((model.provider, model.model_id), ()):
            if price.valid_from > when:
                break
            in_force = price
        return in_force
