"""A row in Postgres, then its id into arq's queue."""

from uuid import uuid4

import asyncpg
from arq.connections import ArqRedis

INSERT = "INSERT INTO baseline.jobs (id, model, prompt) VALUES ($1, $2, $3)"


async def submit(pool: "asyncpg.Pool[asyncpg.Record]", arq: ArqRedis, model: str, prompt: str) -> None:
    job_id = uuid4()
    await pool.execute(INSERT, job_id, model, prompt)
    await arq.enqueue_job("generate", str(job_id), _job_id=str(job_id))
