"""What makes two requests ask for the same answer, and what a project's policy says about giving it again.

The hash is over the request in one canonical form: written as a prompt or as messages, with a default said or left
out, in whatever order of keys, the same question has the same hash. Who asks, when, how urgently and under which name
is not in it; the namespace of a project is the table's key.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from core.catalog import Alias, Catalog, Project
from core.records import record
from core.request import JobRequest, Kind

VERSION = 3
_ASKED = 24
DEFAULT_TTL_S = 7 * 86_400.0
DEFAULT_MAX_ENTRIES = 100_000

_NOT_ASKED = {
    "project", "model", "prompt", "input", "messages", "stop", "requirements", "response_format", "metadata", "key",
    "after", "priority", "deadline_s", "run_at", "cache", "voice_policy", "webhook_url",
}  # fmt: skip


@record
class CachePolicy:
    """`projects.settings.cache`. `max_entries`: beyond it the oldest go. `openai`: what comes through the
    OpenAI-compatible API uses it too, unasked."""

    on: bool = True
    ttl_s: float = DEFAULT_TTL_S
    max_entries: int = DEFAULT_MAX_ENTRIES
    openai: bool = False


_AS_IT_COMES = CachePolicy()


@record
class CacheUse:
    """What the cache is to one job. `looks_up` is False for `refresh`: a new answer, for others to find."""

    fingerprint: bytes
    looks_up: bool
    ttl_s: float


def policy_of(project: Project | None) -> CachePolicy:
    """What is said wrongly counts as not said; it is among the configuration's faults."""
    said = project.settings.get("cache") if project else None
    if said is None or not isinstance(said, Mapping):
        return _AS_IT_COMES
    ttl_s, most = said.get("ttl_s"), said.get("max_entries")
    return CachePolicy(
        on=said.get("mode") != "off",
        ttl_s=float(ttl_s) if isinstance(ttl_s, int | float) and ttl_s > 0 else DEFAULT_TTL_S,
        max_entries=most if isinstance(most, int) and most >= 0 else DEFAULT_MAX_ENTRIES,
        openai=said.get("openai") == "use",
    )


def cache_use(
    request: JobRequest,
    catalog: Catalog,
    project_id: UUID,
    *,
    emulated: bool,
    in_batch: bool,
    known: bytes | None = None,
) -> CacheUse | None:
    """None where the cache has no part in the job. `emulated`: shipped endpoints are served by the emulator, whose
    answers are nobody else's. Narrations of a batch that keep its voice are not answered as a whole, only part by
    part: an earlier narration may have another voice. Where each job draws its model, each job gets its own answer.
    `known`: as in `fingerprint_of`."""
    policy = policy_of(catalog.projects.get(project_id))
    if not policy.on or request.cache == "off":
        return None
    if in_batch and request.kind is Kind.speech and request.voice_policy == "keep":
        return None
    if _drawn_by(request, catalog.find_alias(request.model, project_id)) == "job":
        return None
    found = fingerprint_of(request, catalog, project_id, emulated=emulated, known=known)
    return CacheUse(found, request.cache == "use", policy.ttl_s)


def is_asked_at_submit(request: JobRequest) -> bool:
    """Is the cache asked when the job is submitted? What comes later or after others is not known yet."""
    return request.cache == "use" and not request.after and request.run_at is None


def fingerprint_of(
    request: JobRequest, catalog: Catalog, project_id: UUID | None, *, emulated: bool, known: bytes | None = None
) -> bytes:
    """32 bytes: 24 of a SHA-256 of what is asked, 8 of what that means now. `known`: an earlier one of this very
    request, of which only the meaning may have changed."""
    alias = catalog.find_alias(request.model, project_id)
    model = (alias.alias, str(alias.project_id), alias.revision) if alias else request.model
    meaning = _hash_meaning(emulated, model, _drawn_by(request, alias), _voices(request.voice, catalog))
    return (known[:_ASKED] if known else _hash_asked(request)) + meaning


def _hash_asked(request: JobRequest) -> bytes:
    asked = {**request.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_ASKED), **_canonical(request)}
    return hashlib.sha256(orjson.dumps(asked, default=str, option=orjson.OPT_SORT_KEYS)).digest()[:_ASKED]


@lru_cache(maxsize=4096)
def _hash_meaning(*meaning: Any) -> bytes:
    return hashlib.sha256(json.dumps([VERSION, *meaning]).encode()).digest()[: 32 - _ASKED]


def _drawn_by(request: JobRequest, alias: Alias | None) -> str | None:
    """What decides which target of a weighted alias a request draws: experiments stay what they are."""
    if alias is None or alias.strategy != "weighted" or alias.split_by == "project":
        return None
    value = request.metadata.get(alias.split_by.removeprefix("metadata.")) if alias.split_by != "job" else None
    return "job" if value is None else f"{alias.split_by}={value}"


def _canonical(request: JobRequest) -> dict[str, Any]:
    """What can be said in more than one way, in one."""
    asked: dict[str, Any] = {"kind": request.kind.value}
    if request.kind is not Kind.text:
        asked["input"] = request.texts
    elif request.messages is None:
        asked["messages"] = [{"role": "user", "content": request.prompt or ""}]
    else:
        asked["messages"] = [turn.model_dump(mode="json", exclude_defaults=True) for turn in request.messages]
    if request.stop:
        asked["stop"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.wants_json and request.response_format:
        asked["response_format"] = request.response_format.model_dump(mode="json", exclude_defaults=True)
    if request.requirements:
        needs = request.requirements.model_dump(mode="json", exclude_defaults=True, exclude={"max_cost_usd"})
        if needs:
            asked["requirements"] = needs | {"capabilities": sorted(set(request.requirements.capabilities))}
    return asked


def _voices(voice: str | None, catalog: Catalog) -> str | None:
    """What a semantic voice is with each provider now."""
    if voice is None or voice not in catalog.voice_names:
        return None
    rows = (one for (name, _), one in catalog.voices.items() if name == voice)
    cast = sorted(([one.provider, one.provider_voice_id, one.settings] for one in rows), key=lambda one: one[:2])
    return json.dumps(cast, sort_keys=True, default=str)
