-- Audio is deleted by its project's policy: settings.audio_retention_days, 30 unless said, null for ever.

ALTER TABLE factory.jobs ADD COLUMN audio_expired_at timestamptz;
COMMENT ON COLUMN factory.jobs.audio_expired_at IS 'When the bytes of its narration were deleted.';
CREATE INDEX jobs_with_audio ON factory.jobs (finished_at)
WHERE kind = 'speech' AND finished_at IS NOT NULL AND audio_expired_at IS NULL;
