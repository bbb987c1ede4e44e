-- What the nemesis adds to a migrated database: a provider of its own, and a record of every change of a state.
INSERT INTO factory.provider_endpoints (provider, base_url, handler_function)
VALUES ('nemesis', 'http://127.0.0.1:9', 'nemesis.poison');
INSERT INTO factory.models (provider, model_id) VALUES ('nemesis', 'poison');

CREATE SCHEMA nemesis;
CREATE TABLE nemesis.transitions (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL,
    was text NOT NULL,
    became text NOT NULL,
    fence_was bigint NOT NULL,
    fence bigint NOT NULL,
    attempts_was integer NOT NULL,
    attempts integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION nemesis.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state OR OLD.fence <> NEW.fence THEN
        INSERT INTO nemesis.transitions (job_id, was, became, fence_was, fence, attempts_was, attempts)
        VALUES (NEW.id, OLD.state, NEW.state, OLD.fence, NEW.fence, OLD.attempts, NEW.attempts);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE ON factory.jobs FOR EACH ROW EXECUTE FUNCTION nemesis.note();
