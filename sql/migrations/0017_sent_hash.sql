-- OpenAI's clients send no idempotency key: what they sent finds the job that their transport retries join.

ALTER TABLE factory.jobs ADD COLUMN sent_hash bytea;
COMMENT ON COLUMN factory.jobs.sent_hash IS 'SHA-256 of API key, path and body, where the job came through the OpenAI-compatible API; a client''s retry finds its job by it.';
CREATE INDEX jobs_sent ON factory.jobs (project_id, sent_hash, created_at) WHERE sent_hash IS NOT NULL;
