"""Speech, part by part: each is a call with a ledger line of its own and is stored as soon as it is there.

What is stored already is not bought again: parts of this job from before a crash, and parts of the project's earlier
jobs that sound the same. Within one job all parts come from one model; within a batch all narrations of one name do.
"""

import asyncio
import hashlib
import json
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from adapters.audio import measure_duration_s
from adapters.joining import PART_FORMAT
from adapters.splitting import SpokenPart, split_text
from core.acceptance import takes_context
from core.clock import utc_now
from core.failover import RetryAt
from core.ids import new_id
from core.logging import get_logger
from core.provider import ErrorKind, ProviderError
from core.request import AUDIO_TYPES, JOINABLE_FORMATS, JobRequest
from core.routing import Route
from sql.jobs import StartedJob
from sql.parts import Part, Speaker, insert_parts, keep_batch_voice, read_batch_voice, read_job_voice, select_parts
from sql.patience import patiently
from storage.store import NotStored
from workers.calling import Answered, call_provider
from workers.limiting import AtLimit
from workers.outcomes import JobRun, Narrated
from workers.services import WorkerServices

_SHARE_TO_BEGIN_PARTS = 0.6  # of an attempt's time; the rest is left for the parts that were begun


@dataclass(slots=True)
class Narration:
    """One attempt at a narration. `voice_kept`: who must speak it, None while that is open."""

    services: WorkerServices
    run: JobRun
    request: JobRequest
    until: datetime
    voice_kept: Speaker | None
    _got_on: bool = False
    _warnings: dict[str, None] = field(default_factory=dict)

    @property
    def job(self) -> StartedJob:
        return self.run.job

    @property
    def max_attempts(self) -> int:
        """A narration that has begun waits for its voice; that counts as success."""
        settings = self.services.settings
        return max(settings.max_attempts, settings.voice_attempts) if self.voice_kept else settings.max_attempts

    def may_use(self, route: Route) -> bool:
        return self.voice_kept in (None, _speaker(route))

    async def ask(self, route: Route, patience_s: float = 0.0) -> Narrated | RetryAt:
        """Raises ProviderError when a part could not be had; those that were begun beside it are stored first. Raises
        AtLimit when there was no room for any; who got on goes on with as many at once as there is room for."""
        target = self.request.format or "mp3"
        parts = self._split(route, target)
        form = PART_FORMAT if len(parts) > 1 else target
        sounds = [sound_of(self.request, route, part, form, self._emulated(route)) for part in parts]
        known = await self._find(sounds)
        self._warnings.clear()
        missing = deque({sound: part for sound, part in zip(sounds, parts, strict=True) if sound not in known}.items())
        failure: list[Exception] = []
        limits: list[AtLimit] = []

        async def speak() -> None:
            while missing and not failure and not self._time_is_up():
                sound, part = missing.popleft()
                patience = self.services.settings.limit_patience_s if self._got_on else patience_s
                try:
                    known[sound] = await self._buy(route, part, sound, form, patience, many=len(parts) > 1)
                except AtLimit as limit:
                    missing.appendleft((sound, part))
                    limits.append(limit)
                    return
                except Exception as error:  # noqa: BLE001  the other speakers finish what they began
                    failure.append(error)

        async with asyncio.TaskGroup() as speakers:
            for _ in range(min(len(missing), self.services.settings.speech_parts_at_once)):
                speakers.create_task(speak())
        if failure:
            raise failure[0]
        if missing and limits and not self._got_on:
            raise limits[0]
        if missing:
            return RetryAt(limits[-1].rest().until if limits else utc_now(), counted=False)
        await self._keep_voice(route)
        spoken = [(part, known[sound]) for part, sound in zip(parts, sounds, strict=True)]
        return Narrated(self.request, route, target, spoken, list(self._warnings))

    def _split(self, route: Route, target: str) -> list[SpokenPart]:
        text = "\n\n".join(self.request.texts)
        if target not in JOINABLE_FORMATS:
            return [SpokenPart(1, text, "", "", ends_paragraph=True)]
        return split_text(text, route.model.max_input_characters, context=takes_context(route.model))

    def _emulated(self, route: Route) -> bool:
        return self.services.emulator_url is not None and route.endpoint.seeded

    def _time_is_up(self) -> bool:
        """For beginning another part, when one was got in this attempt and there will be another attempt."""
        spare = timedelta(seconds=self.services.settings.job_timeout_s * (1 - _SHARE_TO_BEGIN_PARTS))
        return self._got_on and self.run.deadline != self.until and utc_now() > self.until - spare

    async def _find(self, sounds: list[bytes]) -> dict[bytes, Part]:
        """What is stored of these; what other jobs bought is written down for this one, too."""
        only_mine = self.job.id if self.request.cache != "use" else None
        found = await select_parts(self.services.database, self.job.project_id, sounds, only_mine, self.job.id)
        there = await asyncio.gather(*(self._is_there(part) for part in found.values()))
        known = {sound: part for (sound, part), here in zip(found.items(), there, strict=True) if here}
        others = [
            replace(part, job_id=self.job.id, n=sounds.index(sound) + 1, cost=None, found=True)
            for sound, part in known.items()
            if part.job_id != self.job.id
        ]
        if others:
            await insert_parts(self.services.database, self.job.id, others)
        return known | {part.text_hash: part for part in others}

    async def _is_there(self, part: Part) -> bool:
        try:
            return await self.services.storage.size(part.storage_key) == part.bytes
        except NotStored:
            return False

    async def _buy(
        self, route: Route, part: SpokenPart, sound: bytes, form: str, patience_s: float, *, many: bool
    ) -> Part:
        request = self.request.model_copy(update={"input": part.text, "format": form})
        timeout_s = self.services.time_for_call(self.until)
        answered = await call_provider(
            self.services, self.job, request, route, {}, timeout_s, part if many else None, patience_s=patience_s
        )
        self._warnings |= dict.fromkeys(answered.answer.warnings)
        return await asyncio.shield(self._store(route, part, sound, answered))

    async def _store(self, route: Route, part: SpokenPart, sound: bytes, answered: Answered) -> Part:
        """Durable from here on, whatever becomes of this process."""
        answer = answered.answer
        form, audio = answer.audio_format or "", answer.audio or b""
        try:
            duration_s = await asyncio.to_thread(measure_duration_s, audio, form)
        except ValueError as fault:
            raise ProviderError(
                ErrorKind.invalid_response, str(fault), status=answer.status, request_id=answer.request_id
            ) from None
        key = f"{self.job.project_id}/parts/{new_id()}.{form}"
        stored = await self.services.storage.put(key, audio, AUDIO_TYPES[form])
        bought = Part(
            job_id=self.job.id,
            text_hash=sound,
            n=part.number,
            endpoint_id=route.endpoint.id,
            provider=route.model.provider,
            model=route.model.model_id,
            storage_key=stored.key,
            bytes=stored.bytes,
            sha256=stored.sha256,
            duration_s=duration_s,
            words=[asdict(one) for one in answer.words] if answer.words is not None else None,
            usage=answer.usage.as_dict(),
            cost=answered.cost,
            found=False,
        )
        await patiently(insert_parts, self.services.database, self.job.id, [bought])
        self._got_on = True
        await self._keep_voice(route)
        await self.services.wakeups.publish(self.job.id, self.job.batch_id)
        return bought

    async def _keep_voice(self, route: Route) -> None:
        """From the first part on, the job stays with its voice; from the first narration on, the batch does."""
        if self.request.voice_policy == "any" or self.voice_kept is not None:
            return
        self.voice_kept = me = _speaker(route)
        if self.job.batch_id is not None:
            name = _name_of(self.request)
            self.voice_kept = await patiently(
                keep_batch_voice, self.services.database, self.job.batch_id, name, me.provider, me.model
            )
        if self.voice_kept != me:
            get_logger(__name__).info("the batch has another voice", mine=me.model, kept=self.voice_kept.model)
            raise ProviderError(ErrorKind.not_available, "another narration of the batch began with another voice")


async def begin_narration(services: WorkerServices, run: JobRun, request: JobRequest, until: datetime) -> Narration:
    """Looks up who spoke before."""
    job, kept = run.job, None
    if request.voice_policy == "keep":
        if job.batch_id is not None:
            kept = await read_batch_voice(services.database, job.batch_id, _name_of(request))
        kept = kept or await read_job_voice(services.database, job.id)
    return Narration(services, run, request, until, kept)


def sound_of(request: JobRequest, route: Route, part: SpokenPart, form: str, emulated: bool) -> bytes:
    """A hash of all that makes the sound of a part: the same hash, the same recording."""
    model = route.model
    provider_options = request.provider_options.get(model.provider)
    said = {
        "version": 1,
        "provider": model.provider,
        "model": model.model_id,
        "emulated": emulated,
        "voice": [route.voice.provider_voice_id, route.voice.settings] if route.voice else request.voice,
        "default_voice": model.default_voice,
        "defaults": dict(route.parameters),
        "options": provider_options,
        "asked": request.model_dump(
            mode="json", include={"voice_settings", "instructions", "speed", "language", "seed", "timestamps"}
        ),
        "text": [part.previous, part.text, part.following],
        "format": form,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).digest()


def _speaker(route: Route) -> Speaker:
    return Speaker(route.model.provider, route.model.model_id)


def _name_of(request: JobRequest) -> str:
    """Narrations of a batch that must sound alike."""
    return f"{request.model} {request.voice or ''}".strip()
