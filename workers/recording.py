"""The one file of a narration, out of its parts."""

import asyncio
import tempfile
from pathlib import Path

from adapters.joining import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S, JoinedFile
from adapters.splitting import SpokenPart
from core.request import AUDIO_TYPES
from core.result import Audio, Result, Usage, Word
from sql.cache import insert_part_hits
from sql.jobs import StartedJob
from sql.parts import Part
from storage.store import Store
from workers.outcomes import Narrated
from workers.services import WorkerServices


async def finish_narration(services: WorkerServices, job: StartedJob, narrated: Narrated) -> Result:
    """A narration of one part is that part. Usage is that of the recording, whoever paid for its parts."""
    if len(narrated.parts) == 1:
        part = narrated.parts[0][1]
        audio = Audio(part.storage_key, narrated.format, part.bytes, part.duration_s, part.sha256)
        audio.timestamps = _words(part, 0) if part.words else None
    else:
        key = f"{job.project_id}/{job.id}/{job.fence}.{narrated.format}"
        audio = await _join(services.storage, key, narrated)
    bought = {part.text_hash: part for _, part in narrated.parts}.values()
    if found := [part.text_hash for part in bought if part.found]:
        await insert_part_hits(services.database, job.id, found)
    return Result(
        content=None,
        model=narrated.route.model.model_id,
        provider=narrated.route.model.provider,
        usage=sum((Usage.from_dict(part.usage) for part in bought), Usage()),
        cost_usd=None,
        cached=all(part.found for part in bought),
        audio=audio,
        warnings=narrated.warnings,
        variant=narrated.route.variant,
    )


async def _join(storage: Store, key: str, narrated: Narrated) -> Audio:
    words: list[Word] = []
    with tempfile.TemporaryDirectory(prefix="factory-narration-") as folder:
        path = Path(folder) / f"whole.{narrated.format}"
        with JoinedFile(path, narrated.format) as joined:
            before: SpokenPart | None = None
            for spoken, part in narrated.parts:
                if before is not None:
                    pause_s = PARAGRAPH_PAUSE_S if before.ends_paragraph else SENTENCE_PAUSE_S
                    await asyncio.to_thread(joined.pause, pause_s)
                words += _words(part, joined.duration_s)
                recording = await storage.get(part.storage_key)
                await asyncio.to_thread(joined.add, recording)
                before = spoken
        stored = await storage.put(key, path, AUDIO_TYPES[narrated.format])
    audio = Audio(key, narrated.format, stored.bytes, round(joined.duration_s, 3), stored.sha256)
    audio.parts = len(narrated.parts)
    audio.timestamps = words or None
    return audio


def _words(part: Part, begins_s: float) -> list[Word]:
    return [Word(**one).moved(begins_s) for one in part.words or ()]
