-- The whole house at its start: what operators decide, what jobs are, what was spent.

-- What operators decide ------------------------------------------------------------------------------------

CREATE TABLE factory.config_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE factory.config_version IS 'Grows with every change of the configuration; every process reads it twice a second.';
INSERT INTO factory.config_version DEFAULT VALUES;

CREATE FUNCTION factory.bump_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE factory.config_version SET version = version + 1, changed_at = clock_timestamp();
    RETURN NULL;
END $$;

CREATE TABLE factory.providers (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    name text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    regions jsonb NOT NULL DEFAULT '["global"]' CHECK (jsonb_typeof(regions) = 'array'),
    limits jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object')
);
COMMENT ON TABLE factory.providers IS 'Who can be called. limits: requests_per_minute, tokens_per_minute, concurrency.';

CREATE FUNCTION factory.ensure_provider() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO factory.providers (id, name) VALUES (NEW.provider, NEW.provider) ON CONFLICT DO NOTHING;
    RETURN NEW;
END $$;

CREATE TABLE factory.provider_endpoints (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider text NOT NULL REFERENCES factory.providers ON UPDATE CASCADE ON DELETE CASCADE,
    base_url text NOT NULL CHECK (base_url ~ '^https?://'),
    endpoint_pattern text,
    handler_function text NOT NULL,
    model_pattern text NOT NULL DEFAULT '*',
    credential text CHECK (credential ~ '^(env|file):'),
    region text NOT NULL DEFAULT 'global',
    priority integer NOT NULL DEFAULT 100,
    active boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE factory.provider_endpoints IS 'Where a provider is called and by which handler; one short INSERT adds a server.';
COMMENT ON COLUMN factory.provider_endpoints.base_url IS 'What the official SDK takes as its own base_url.';
COMMENT ON COLUMN factory.provider_endpoints.model_pattern IS 'Globs of the models it serves, separated by spaces; a leading ! excludes.';
COMMENT ON COLUMN factory.provider_endpoints.credential IS 'env:NAME or file:PATH; NULL sends none. Keys themselves are never stored.';
COMMENT ON COLUMN factory.provider_endpoints.priority IS 'Lower is tried first.';
CREATE TRIGGER ensure_provider BEFORE INSERT ON factory.provider_endpoints
    FOR EACH ROW EXECUTE FUNCTION factory.ensure_provider();

CREATE TABLE factory.models (
    provider text NOT NULL REFERENCES factory.providers ON UPDATE CASCADE ON DELETE CASCADE,
    model_id text NOT NULL,
    kind text NOT NULL DEFAULT 'text'
        CHECK (kind IN ('text', 'embedding', 'speech', 'image', 'transcription', 'moderation')),
    context_window integer,
    max_output_tokens integer,
    max_input_tokens integer,
    max_input_characters integer,
    default_voice text,
    dimensions integer,
    capabilities jsonb NOT NULL DEFAULT '["text"]' CHECK (jsonb_typeof(capabilities) = 'array'),
    regions jsonb NOT NULL DEFAULT '["global"]' CHECK (jsonb_typeof(regions) = 'array'),
    active boolean NOT NULL DEFAULT true,
    retires_on date,
    parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    note text,
    source text,
    checked_on date,
    PRIMARY KEY (provider, model_id)
);
COMMENT ON TABLE factory.models IS 'What exists. active: may be routed to. retires_on: the provider switches it off that day.';
COMMENT ON COLUMN factory.models.parameters IS 'What its adapter must know: sampling, effort, tools, token_cap, thinking …';
CREATE TRIGGER ensure_provider BEFORE INSERT ON factory.models
    FOR EACH ROW EXECUTE FUNCTION factory.ensure_provider();

CREATE TABLE factory.model_prices (
    provider text NOT NULL,
    model_id text NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT now(),
    input_usd_per_mtok numeric CHECK (input_usd_per_mtok >= 0),
    output_usd_per_mtok numeric CHECK (output_usd_per_mtok >= 0),
    cached_input_usd_per_mtok numeric CHECK (cached_input_usd_per_mtok >= 0),
    cache_write_usd_per_mtok numeric CHECK (cache_write_usd_per_mtok >= 0),
    cache_write_1h_usd_per_mtok numeric CHECK (cache_write_1h_usd_per_mtok >= 0),
    audio_usd_per_mchar numeric CHECK (audio_usd_per_mchar >= 0),
    batch_discount numeric CHECK (batch_discount BETWEEN 0 AND 1),
    threshold_tokens integer,
    threshold_input_usd_per_mtok numeric,
    threshold_output_usd_per_mtok numeric,
    threshold_cached_input_usd_per_mtok numeric,
    threshold_cache_write_usd_per_mtok numeric,
    regional_surcharge jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(regional_surcharge) = 'object'),
    source text,
    PRIMARY KEY (provider, model_id, valid_from),
    FOREIGN KEY (provider, model_id) REFERENCES factory.models ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE factory.model_prices IS 'USD per million tokens or characters, by date. A call is priced at the row valid when it started; NULL is unknown, 0 is free.';

CREATE TABLE factory.projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
    active boolean NOT NULL DEFAULT true,
    weight integer NOT NULL DEFAULT 100 CHECK (weight > 0),
    settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO factory.projects (name) VALUES ('default');

CREATE TABLE factory.aliases (
    alias text NOT NULL CHECK (alias ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
    project_id uuid REFERENCES factory.projects ON DELETE CASCADE,
    strategy text NOT NULL DEFAULT 'priority'
        CHECK (strategy IN ('priority', 'cheapest', 'fastest', 'weighted', 'cheapest_within')),
    on_content_policy text NOT NULL DEFAULT 'fail' CHECK (on_content_policy IN ('fail', 'next')),
    latency_bound_ms integer CHECK (latency_bound_ms > 0),
    revision integer NOT NULL DEFAULT 1,
    description text,
    UNIQUE NULLS NOT DISTINCT (alias, project_id),
    CHECK (strategy <> 'cheapest_within' OR latency_bound_ms IS NOT NULL)
);
COMMENT ON TABLE factory.aliases IS 'Semantic names. project_id NULL: for everybody; a row with a project goes before it, for that project alone.';

CREATE TABLE factory.alias_targets (
    alias text NOT NULL,
    project_id uuid REFERENCES factory.projects ON DELETE CASCADE,
    provider text NOT NULL,
    model_id text NOT NULL,
    position integer NOT NULL DEFAULT 100,
    weight integer NOT NULL DEFAULT 100 CHECK (weight >= 0),
    parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    active boolean NOT NULL DEFAULT true,
    UNIQUE NULLS NOT DISTINCT (alias, project_id, provider, model_id),
    FOREIGN KEY (provider, model_id) REFERENCES factory.models ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON COLUMN factory.alias_targets.position IS 'Lower is tried first under the strategy priority.';
COMMENT ON COLUMN factory.alias_targets.parameters IS 'Request fields to use where the request does not say.';

CREATE FUNCTION factory.touch_alias() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched factory.alias_targets := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO factory.aliases (alias, project_id) VALUES (touched.alias, touched.project_id)
        ON CONFLICT DO NOTHING;
    END IF;
    UPDATE factory.aliases SET revision = revision + 1
    WHERE alias = touched.alias AND project_id IS NOT DISTINCT FROM touched.project_id;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_alias AFTER INSERT OR UPDATE OR DELETE ON factory.alias_targets
    FOR EACH ROW EXECUTE FUNCTION factory.touch_alias();

CREATE FUNCTION factory.drop_alias_targets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM factory.alias_targets
    WHERE alias = OLD.alias AND project_id IS NOT DISTINCT FROM OLD.project_id;
    RETURN NULL;
END $$;
CREATE TRIGGER drop_alias_targets AFTER DELETE ON factory.aliases
    FOR EACH ROW EXECUTE FUNCTION factory.drop_alias_targets();

CREATE TABLE factory.voices (
    voice text NOT NULL,
    provider text NOT NULL REFERENCES factory.providers ON UPDATE CASCADE ON DELETE CASCADE,
    provider_voice_id text NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    PRIMARY KEY (voice, provider)
);
COMMENT ON TABLE factory.voices IS 'One semantic voice on several providers; a provider without the voice is no route for it.';

CREATE TABLE factory.api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key_hash bytea NOT NULL UNIQUE,
    prefix text NOT NULL,
    name text,
    project_id uuid REFERENCES factory.projects ON DELETE CASCADE,
    scopes text[] NOT NULL DEFAULT '{jobs}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
COMMENT ON TABLE factory.api_keys IS 'SHA-256 of 256-bit random keys. project_id NULL: an operator''s key, with scope admin.';

CREATE TABLE factory.seeded (
    table_name text NOT NULL,
    row_key jsonb NOT NULL,
    row_values jsonb NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, row_key)
);
COMMENT ON TABLE factory.seeded IS 'What the seed wrote last: a row that differs from it was changed by an operator and is left alone.';

-- The blend behind cost_per_token: three tokens of prompt to one of answer. Embeddings: the input price.
-- Speech: USD per character; where tokens are billed, a character is 0.25 input and 1.5 audio tokens.
CREATE FUNCTION factory.cost_per_token(kind text, input_usd numeric, output_usd numeric, audio_usd numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 0.000001 * CASE kind
        WHEN 'embedding' THEN input_usd
        WHEN 'speech' THEN coalesce(audio_usd, 0.25 * input_usd + 1.5 * output_usd)
        ELSE 0.25 * (3 * input_usd + output_usd)
    END
$$;

CREATE VIEW factory.model_aliases AS
SELECT
    target.alias,
    target.model_id,
    target.provider,
    model.context_window,
    factory.cost_per_token(
        model.kind, price.input_usd_per_mtok, price.output_usd_per_mtok, price.audio_usd_per_mchar
    ) AS cost_per_token,
    model.capabilities
FROM factory.alias_targets AS target
JOIN factory.models AS model USING (provider, model_id)
JOIN factory.providers AS provider ON provider.id = target.provider
LEFT JOIN LATERAL (
    SELECT * FROM factory.model_prices AS dated
    WHERE dated.provider = target.provider AND dated.model_id = target.model_id AND dated.valid_from <= now()
    ORDER BY dated.valid_from DESC LIMIT 1
) AS price ON true
WHERE target.project_id IS NULL AND target.active AND model.active AND provider.active
    AND (model.retires_on IS NULL OR model.retires_on > (now() AT TIME ZONE 'UTC')::date);
COMMENT ON VIEW factory.model_aliases IS 'One row per active target of the aliases that everybody shares, at the price valid now.';

CREATE FUNCTION factory.watch_config(VARIADIC names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format(
            'CREATE TRIGGER bump_config_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON factory.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION factory.bump_config_version()', name
        );
    END LOOP;
END $$;
SELECT factory.watch_config(
    'providers', 'provider_endpoints', 'models', 'model_prices', 'aliases', 'alias_targets', 'voices', 'projects'
);

-- The part of a row that has the keys of another.
CREATE FUNCTION factory.pick_columns(whole jsonb, named jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(name, whole -> name) FROM jsonb_object_keys(named) AS name
$$;

-- Seeding: insert what is missing, follow the seed where nobody changed the row, leave the rest alone.
CREATE FUNCTION factory.seed_rows(target text, key_columns text[], seed_rows jsonb, OUT inserted int, OUT updated int, OUT kept int)
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    seed_row jsonb;
    columns text;
    matches text;
    key_values jsonb;
    current_row jsonb;
    last_seeded jsonb;
BEGIN
    inserted := 0; updated := 0; kept := 0;
    SELECT string_agg(format('t.%1$I IS NOT DISTINCT FROM r.%1$I', name), ' AND ') INTO matches
    FROM unnest(key_columns) AS name;
    FOR seed_row IN SELECT value FROM jsonb_array_elements(seed_rows) LOOP
        SELECT string_agg(quote_ident(name), ', ' ORDER BY name) INTO columns FROM jsonb_object_keys(seed_row) AS name;
        SELECT jsonb_object_agg(name, seed_row -> name) INTO key_values FROM unnest(key_columns) AS name;
        SELECT row_values INTO last_seeded FROM factory.seeded WHERE table_name = target AND row_key = key_values;
        EXECUTE format(
            'SELECT to_jsonb(t) FROM factory.%1$I t, jsonb_populate_record(NULL::factory.%1$I, $1) r WHERE %2$s',
            target, matches
        ) INTO current_row USING seed_row;
        IF current_row IS NULL AND last_seeded IS NULL THEN
            EXECUTE format(
                'INSERT INTO factory.%1$I (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::factory.%1$I, $1)',
                target, columns
            ) USING seed_row;
            inserted := inserted + 1;
        ELSIF factory.pick_columns(current_row, last_seeded) = last_seeded
            AND factory.normal_row(target, seed_row) <> last_seeded THEN
            EXECUTE format(
                'UPDATE factory.%1$I t SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::factory.%1$I, $1)) '
                'FROM jsonb_populate_record(NULL::factory.%1$I, $1) r WHERE %3$s',
                target, columns, matches
            ) USING seed_row;
            updated := updated + 1;
        ELSE
            kept := kept + 1;
            CONTINUE;
        END IF;
        INSERT INTO factory.seeded (table_name, row_key, row_values)
        VALUES (target, key_values, factory.normal_row(target, seed_row))
        ON CONFLICT (table_name, row_key) DO UPDATE SET row_values = EXCLUDED.row_values, seeded_at = now();
    END LOOP;
END $$;

-- A seed row as its table would show it (types applied), with the seed's own columns only.
CREATE FUNCTION factory.normal_row(target text, seed_row jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS $$
DECLARE
    whole jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(r) FROM jsonb_populate_record(NULL::factory.%I, $1) r', target)
    INTO whole USING seed_row;
    RETURN factory.pick_columns(whole, seed_row);
END $$;

-- What jobs are ---------------------------------------------------------------------------------------------

CREATE TABLE factory.batches (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES factory.projects,
    name text,
    total integer NOT NULL,
    max_cost_usd numeric,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz
);
COMMENT ON TABLE factory.batches IS 'Jobs that were submitted together. Counts and state are derived from the jobs.';
CREATE INDEX batches_of_project ON factory.batches (project_id, id DESC);

CREATE TABLE factory.jobs (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES factory.projects,
    batch_id uuid REFERENCES factory.batches,
    line integer,
    key text,
    after uuid[] NOT NULL DEFAULT '{}',
    blockers integer NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN
        ('waiting', 'queued', 'in_progress', 'cancelling', 'completed', 'failed', 'cancelled', 'expired')),
    kind text NOT NULL,
    priority text NOT NULL,
    request jsonb NOT NULL,
    run_at timestamptz NOT NULL,
    deadline timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    lost_leases integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    seq integer NOT NULL DEFAULT 1,
    fingerprint bytea,
    waits_for uuid,
    retry_of uuid,
    reserved_usd numeric,
    result jsonb,
    error jsonb,
    provider text,
    model text,
    variant text,
    usage jsonb,
    cost numeric,
    uncertain_cost numeric,
    cached boolean NOT NULL DEFAULT false,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    queued_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz
);
COMMENT ON TABLE factory.jobs IS 'Every accepted job. Only producer.submit inserts; only the holder of the fence finishes.';
COMMENT ON COLUMN factory.jobs.after IS 'The jobs of its batch that must complete before it is queued.';
COMMENT ON COLUMN factory.jobs.blockers IS 'How many of those have not completed.';
COMMENT ON COLUMN factory.jobs.fence IS 'Token of the newest start: only who holds it may call a provider for the job or finish it.';
COMMENT ON COLUMN factory.jobs.seq IS 'Grows with every change of state.';
CREATE INDEX jobs_of_project ON factory.jobs (project_id, id DESC);
CREATE INDEX jobs_of_batch ON factory.jobs (batch_id, line) WHERE batch_id IS NOT NULL;
CREATE UNIQUE INDEX job_keys_of_batch ON factory.jobs (batch_id, key) WHERE key IS NOT NULL;
CREATE INDEX jobs_queued ON factory.jobs (run_at) WHERE state = 'queued';
CREATE INDEX jobs_running ON factory.jobs (started_at) WHERE state IN ('in_progress', 'cancelling');
CREATE INDEX jobs_waiting ON factory.jobs USING gin (after) WHERE state = 'waiting';

CREATE TABLE factory.idempotency_keys (
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    job_id uuid,
    batch_id uuid,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, key_hash)
);
COMMENT ON TABLE factory.idempotency_keys IS 'Same key and body: same job. request_hash is over the whole body.';

CREATE TABLE factory.job_parts (
    job_id uuid NOT NULL REFERENCES factory.jobs ON DELETE CASCADE,
    n integer NOT NULL,
    text_hash bytea NOT NULL,
    endpoint_id uuid,
    storage_key text NOT NULL,
    cost numeric,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, n)
);
COMMENT ON TABLE factory.job_parts IS 'Finished pieces of long speech, so that none is bought twice.';

CREATE TABLE factory.cache_entries (
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    fingerprint bytea NOT NULL,
    job_id uuid NOT NULL REFERENCES factory.jobs ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, fingerprint)
);
COMMENT ON TABLE factory.cache_entries IS 'An index of answers; their bodies stay in jobs and in storage.';

-- What was spent --------------------------------------------------------------------------------------------

CREATE TABLE factory.calls (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    project_id uuid NOT NULL,
    batch_id uuid,
    kind text NOT NULL,
    alias text NOT NULL,
    attempt integer NOT NULL,
    part integer,
    fence bigint NOT NULL,
    endpoint_id uuid,
    provider text NOT NULL,
    model text NOT NULL,
    variant text,
    emulated boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    duration_ms integer,
    outcome text,
    status integer,
    usage jsonb,
    cost numeric,
    max_cost numeric,
    price_ref text,
    provider_request_id text,
    error_message text
);
COMMENT ON TABLE factory.calls IS 'The ledger: one line per provider call, written before its first byte, completed once, never deleted with its job.';
COMMENT ON COLUMN factory.calls.outcome IS 'NULL while under way; ok, an error kind, or unknown when its worker died before the answer.';
COMMENT ON COLUMN factory.calls.max_cost IS 'The most it can have cost, known before the call.';
CREATE INDEX calls_of_job ON factory.calls (job_id, started_at);
CREATE INDEX calls_of_project ON factory.calls (project_id, started_at);

-- What a job has cost: NULL when a price is not known. Beside it the most that lines without a known end can
-- have cost: those whose worker died, timeouts, connections that broke.
CREATE FUNCTION factory.spent_on(spender uuid, OUT cost numeric, OUT uncertain_cost numeric) LANGUAGE sql STABLE AS $$
    SELECT
        CASE WHEN bool_or(usage IS NOT NULL AND cost IS NULL) THEN NULL ELSE coalesce(sum(cost), 0) END,
        sum(max_cost) FILTER (WHERE usage IS NULL AND cost IS NULL)
    FROM factory.calls
    WHERE job_id = spender
$$;

CREATE TABLE factory.cache_hits (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    job_id uuid NOT NULL,
    kind text NOT NULL,
    model text NOT NULL,
    saved_usd numeric,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cache_hits_of_project ON factory.cache_hits (project_id, at);

CREATE TABLE factory.usage_daily (
    day date NOT NULL,
    project_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    kind text NOT NULL,
    variant text NOT NULL DEFAULT '',
    requests bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    prompt_tokens bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0,
    characters bigint NOT NULL DEFAULT 0,
    cost numeric NOT NULL DEFAULT 0,
    saved_usd numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (day, project_id, provider, model, kind, variant)
);
COMMENT ON TABLE factory.usage_daily IS 'A roll-up of calls and cache_hits; can be rebuilt from them.';

-- What is told and kept -------------------------------------------------------------------------------------

CREATE TABLE factory.files (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES factory.projects,
    purpose text NOT NULL,
    filename text NOT NULL,
    bytes bigint NOT NULL,
    storage_key text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);

CREATE TABLE factory.webhook_endpoints (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    url text NOT NULL,
    events text[] NOT NULL DEFAULT '{job.completed,job.failed,batch.completed}',
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE factory.webhook_deliveries (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    endpoint_id uuid REFERENCES factory.webhook_endpoints ON DELETE CASCADE,
    job_id uuid,
    batch_id uuid,
    type text NOT NULL,
    url text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    failed_at timestamptz,
    last_status integer,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_deliveries_due ON factory.webhook_deliveries (next_at)
    WHERE delivered_at IS NULL AND failed_at IS NULL;

CREATE TABLE factory.feedback (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    job_id uuid NOT NULL,
    score numeric,
    label text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX feedback_of_job ON factory.feedback (job_id);

CREATE TABLE factory.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE factory.cron_slots (
    name text NOT NULL,
    scheduled_at timestamptz NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, scheduled_at)
);
COMMENT ON TABLE factory.cron_slots IS 'Who inserts a slot runs it: once per schedule, whatever the clocks say.';
