-- Answers that are given again, and identical calls in flight that are paid once.

CREATE INDEX cache_entries_of_job ON factory.cache_entries (job_id);
CREATE INDEX cache_entries_by_age ON factory.cache_entries (project_id, created_at);
CREATE INDEX cache_entries_due ON factory.cache_entries (expires_at);
ALTER TABLE factory.cache_entries ADD COLUMN worth_usd numeric;
COMMENT ON COLUMN factory.cache_entries.worth_usd IS 'What the answer cost when it was bought, its found parts included; NULL: not known.';

ALTER TABLE factory.cache_hits
    ADD COLUMN provider text,
    ADD COLUMN alias text,
    ADD COLUMN variant text,
    ADD COLUMN batch_id uuid,
    ADD COLUMN usage jsonb,
    ADD COLUMN source_job uuid,
    ADD COLUMN part boolean NOT NULL DEFAULT false;
COMMENT ON TABLE factory.cache_hits IS 'What was answered without paying again, and what that saved.';
COMMENT ON COLUMN factory.cache_hits.saved_usd IS 'What it cost when it was bought; NULL: not known.';
COMMENT ON COLUMN factory.cache_hits.usage IS 'That of the answer which was given again.';
COMMENT ON COLUMN factory.cache_hits.part IS 'A piece of a narration that an earlier one had; the narration itself was not answered from the cache.';
CREATE INDEX cache_hits_of_job ON factory.cache_hits (job_id);

-- Nothing here needs to outlive a crash of the server: jobs that wait for a flight that is gone find another.
CREATE UNLOGGED TABLE factory.flights (
    project_id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (project_id, fingerprint)
);
CREATE INDEX flights_of_job ON factory.flights (job_id);
COMMENT ON TABLE factory.flights IS 'Which job makes the call that identical ones wait for.';
COMMENT ON COLUMN factory.jobs.waits_for IS 'The job with the identical request that is being answered now. A queued job that waits is in no line.';
COMMENT ON COLUMN factory.jobs.fingerprint IS 'Hash of all that decides the answer; NULL where the cache is not to be used.';
CREATE INDEX jobs_by_audio ON factory.jobs ((result #>> '{audio,storage_key}'))
WHERE kind = 'speech' AND finished_at IS NOT NULL AND audio_expired_at IS NULL;
CREATE INDEX jobs_parked ON factory.jobs (project_id, fingerprint) WHERE waits_for IS NOT NULL AND state = 'queued';

-- Who leads, who waits, who finds the answer in the cache. One job of `asked` after the other, each statement with a
-- fresh look: who lands a flight stores the answer and removes the flight in one transaction, so whoever boards
-- afterwards finds the answer. No row is waited for but the flight's own.
CREATE FUNCTION factory.board_flights(asked jsonb, OUT id uuid, OUT part text, OUT source uuid)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    one record;
    leader uuid;
BEGIN
    FOR one IN
        SELECT given.id, given.fence, given.project_id, decode(given.fingerprint, 'hex') AS fingerprint, given.looks_up
        FROM jsonb_to_recordset(asked) AS given (id uuid, fence bigint, project_id uuid, fingerprint text, looks_up boolean)
        ORDER BY 3, 4, 1
    LOOP
        id := one.id; part := 'leads'; source := NULL;
        LOOP
            INSERT INTO factory.flights (project_id, fingerprint, job_id)
            VALUES (one.project_id, one.fingerprint, one.id) ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT flight.job_id INTO leader FROM factory.flights AS flight
            WHERE flight.project_id = one.project_id AND flight.fingerprint = one.fingerprint;
            CONTINUE WHEN NOT FOUND;
            EXIT WHEN leader = one.id;
            PERFORM FROM factory.jobs AS job WHERE job.id = leader AND job.state IN ('in_progress', 'cancelling');
            IF FOUND THEN
                part := 'waits'; source := leader;
                EXIT;
            END IF;
            UPDATE factory.flights AS flight SET job_id = one.id
            WHERE flight.project_id = one.project_id AND flight.fingerprint = one.fingerprint AND flight.job_id = leader;
            EXIT WHEN FOUND;
        END LOOP;
        IF part = 'leads' AND one.looks_up THEN
            SELECT entry.job_id INTO source
            FROM factory.cache_entries AS entry JOIN factory.jobs AS answered ON answered.id = entry.job_id
            WHERE entry.project_id = one.project_id AND entry.fingerprint = one.fingerprint
                AND entry.expires_at > clock_timestamp() AND answered.audio_expired_at IS NULL;
            IF FOUND THEN part := 'found'; END IF;
        ELSIF part = 'waits' THEN
            UPDATE factory.jobs AS job SET
                state = 'queued', waits_for = leader, fingerprint = one.fingerprint, seq = job.seq + 1,
                attempts = job.attempts - 1, queued_at = clock_timestamp()
            WHERE job.id = one.id AND job.fence = one.fence AND job.state = 'in_progress';
            IF NOT FOUND THEN part := 'gone'; END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
