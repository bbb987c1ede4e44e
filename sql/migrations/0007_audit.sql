-- Who changed what, whichever way: the admin API, the command line and plain SQL leave the same trail. And bad
-- configuration is refused where it is written, so that no process has to stumble over it when it reads.

-- The trail --------------------------------------------------------------------------------------------------

ALTER TABLE factory.audit_log
    DROP COLUMN details,
    ADD COLUMN before jsonb,
    ADD COLUMN after jsonb;
CREATE INDEX audit_log_by_subject ON factory.audit_log (subject text_pattern_ops, id DESC);
COMMENT ON TABLE factory.audit_log IS 'Every change of the configuration. Triggers write it, so that no way around it is needed or offered.';
COMMENT ON COLUMN factory.audit_log.actor IS 'The setting factory.actor of the transaction (key fk_…, cli NAME, local, seed), else the role that logged in.';
COMMENT ON COLUMN factory.audit_log.subject IS 'Table and key, such as models openai/gpt-6-luna.';

-- The actor is set with set_config(…, true): it ends with its transaction, so a transaction-mode pooler may stand
-- between. The arguments are the columns that name a row.
--
-- What the seed inserts is not recorded: factory.seeded has it with its date, and hundreds of lines of a first
-- install would bury the first decision of an operator. What the seed changes later is recorded.
--
-- Not recorded either: an UPDATE that changes nothing, the touch of a key that was used, and the revision of an
-- alias, which only says that one of its recorded targets changed.
CREATE FUNCTION factory.record_change() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    who text := coalesce(nullif(current_setting('factory.actor', true), ''), session_user);
    unspoken text[] := '{last_used_at,revision}';
    old_row jsonb := to_jsonb(OLD);
    new_row jsonb := to_jsonb(NEW);
    named text;
BEGIN
    IF TG_OP = 'INSERT' AND who = 'seed' OR TG_OP = 'UPDATE' AND old_row - unspoken = new_row - unspoken THEN
        RETURN NULL;
    END IF;
    SELECT string_agg(coalesce(new_row, old_row) ->> name, '/' ORDER BY place) INTO named
    FROM unnest(TG_ARGV) WITH ORDINALITY AS naming (name, place);
    INSERT INTO factory.audit_log (actor, action, subject, before, after)
    VALUES (who, lower(TG_OP), concat_ws(' ', TG_TABLE_NAME, named), old_row - 'key_hash', new_row - 'key_hash');
    RETURN NULL;
END $$;

CREATE FUNCTION factory.watch_changes(name text, VARIADIC naming text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (SELECT coalesce(string_agg(quote_literal(one), ', '), '') FROM unnest(naming) AS one);
BEGIN
    EXECUTE format(
        'CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON factory.%I '
        'FOR EACH ROW EXECUTE FUNCTION factory.record_change(%s)', name, arguments
    );
    EXECUTE format(
        'CREATE TRIGGER record_truncate AFTER TRUNCATE ON factory.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION factory.record_change()', name
    );
END $$;
SELECT
    factory.watch_changes('providers', 'id'),
    factory.watch_changes('provider_endpoints', 'provider', 'id'),
    factory.watch_changes('models', 'provider', 'model_id'),
    factory.watch_changes('model_prices', 'provider', 'model_id', 'valid_from'),
    factory.watch_changes('aliases', 'alias', 'project_id'),
    factory.watch_changes('alias_targets', 'alias', 'project_id', 'provider', 'model_id'),
    factory.watch_changes('voices', 'provider', 'voice'),
    factory.watch_changes('projects', 'name'),
    factory.watch_changes('api_keys', 'prefix'),
    factory.watch_changes('controls', VARIADIC '{}');

-- Aliases ----------------------------------------------------------------------------------------------------

-- The revision grows with the alias itself as with its targets, so that who edits a stale copy is told.
CREATE FUNCTION factory.count_alias_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.revision = OLD.revision THEN
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER count_alias_revision BEFORE UPDATE ON factory.aliases
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION factory.count_alias_revision();

-- A renamed alias takes its targets along.
CREATE FUNCTION factory.rename_alias_targets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE factory.alias_targets SET alias = NEW.alias, project_id = NEW.project_id
    WHERE alias = OLD.alias AND project_id IS NOT DISTINCT FROM OLD.project_id;
    RETURN NULL;
END $$;
CREATE TRIGGER rename_alias_targets AFTER UPDATE OF alias, project_id ON factory.aliases
    FOR EACH ROW WHEN ((OLD.alias, OLD.project_id) IS DISTINCT FROM (NEW.alias, NEW.project_id))
    EXECUTE FUNCTION factory.rename_alias_targets();

-- What may be written ----------------------------------------------------------------------------------------

-- A new rule holds for everything written from now on. Rows that were there before are checked too, but one that
-- breaks it does not stop the upgrade: it is told as a warning, and `factory faults` shows what it spoils.
CREATE FUNCTION factory.demand(target text, name text, rule text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE factory.%I ADD CONSTRAINT %I CHECK (%s) NOT VALID', target, name, rule);
    EXECUTE format('ALTER TABLE factory.%I VALIDATE CONSTRAINT %I', target, name);
EXCEPTION WHEN check_violation THEN
    EXECUTE format('ALTER TABLE factory.%I ADD CONSTRAINT %I CHECK (%s) NOT VALID', target, name, rule);
    RAISE WARNING 'a row of factory.% breaks the new rule %: (%)', target, name, rule;
END $$;

SELECT
    factory.demand('providers', 'providers_name_said', $$btrim(name) <> ''$$),
    factory.demand('providers', 'providers_regions_words',
        $$NOT jsonb_path_exists(regions, 'strict $[*] ? (@.type() != "string")')$$),
    factory.demand('providers', 'providers_limits_numbers',
        $$NOT jsonb_path_exists(limits, 'strict $.* ? (@.type() != "number" || @ <= 0)')$$),

    factory.demand('provider_endpoints', 'provider_endpoints_base_url_bare',
        $$base_url !~ '\s' AND base_url ~ '^https?://[^/?#@]+([/?#]|$)'$$),
    factory.demand('provider_endpoints', 'provider_endpoints_credential_reference',
        $$credential ~ '^(env:[A-Za-z_][A-Za-z0-9_]*(, *[A-Za-z_][A-Za-z0-9_]*)*|file:.+)$'$$),
    factory.demand('provider_endpoints', 'provider_endpoints_handler_function_said', $$btrim(handler_function) <> ''$$),
    factory.demand('provider_endpoints', 'provider_endpoints_model_pattern_said', $$btrim(model_pattern) <> ''$$),
    factory.demand('provider_endpoints', 'provider_endpoints_region_said', $$btrim(region) <> ''$$),

    factory.demand('models', 'models_model_id_said', $$btrim(model_id) <> ''$$),
    factory.demand('models', 'models_context_window_positive', 'context_window > 0'),
    factory.demand('models', 'models_max_output_tokens_positive', 'max_output_tokens > 0'),
    factory.demand('models', 'models_max_input_tokens_positive', 'max_input_tokens > 0'),
    factory.demand('models', 'models_max_input_characters_positive', 'max_input_characters > 0'),
    factory.demand('models', 'models_dimensions_positive', 'dimensions > 0'),
    factory.demand('models', 'models_default_voice_said', $$btrim(default_voice) <> ''$$),
    factory.demand('models', 'models_capabilities_words',
        $$NOT jsonb_path_exists(capabilities, 'strict $[*] ? (@.type() != "string")')$$),
    factory.demand('models', 'models_regions_words',
        $$NOT jsonb_path_exists(regions, 'strict $[*] ? (@.type() != "string")')$$),
    factory.demand('models', 'models_retires_on_dated', $$retires_on BETWEEN '2000-01-01' AND '9999-12-31'$$),
    factory.demand('models', 'models_checked_on_dated', $$checked_on BETWEEN '2000-01-01' AND '9999-12-31'$$),

    factory.demand('model_prices', 'model_prices_valid_from_dated',
        $$valid_from >= '1970-01-01T00:00:00Z' AND valid_from < '9999-01-01T00:00:00Z'$$),
    factory.demand('model_prices', 'model_prices_threshold_tokens_positive', 'threshold_tokens > 0'),
    factory.demand('model_prices', 'model_prices_threshold_tokens_with_rates',
        'threshold_tokens IS NOT NULL OR num_nonnulls(threshold_input_usd_per_mtok, threshold_output_usd_per_mtok, '
        'threshold_cached_input_usd_per_mtok, threshold_cache_write_usd_per_mtok) = 0'),
    factory.demand('model_prices', 'model_prices_regional_surcharge_factors',
        $$NOT jsonb_path_exists(regional_surcharge, 'strict $.* ? (!(@.type() == "number" && @ > 0
            || @.type() == "string" && @ like_regex "^[0-9]{1,6}([.][0-9]{1,12})?$" && !(@ like_regex "^[0.]*$")))')$$),

    factory.demand('projects', 'projects_weight_bounded', 'weight <= 1000000'),
    factory.demand('aliases', 'aliases_revision_positive', 'revision > 0'),

    factory.demand('voices', 'voices_voice_said', $$btrim(voice) <> ''$$),
    factory.demand('voices', 'voices_provider_voice_id_said', $$btrim(provider_voice_id) <> ''$$),

    factory.demand('api_keys', 'api_keys_key_hash_sha256', 'octet_length(key_hash) = 32'),
    factory.demand('api_keys', 'api_keys_prefix_said', $$btrim(prefix) <> ''$$),
    factory.demand('api_keys', 'api_keys_scopes_known',
        $$cardinality(scopes) > 0 AND scopes <@ '{jobs,read,admin}'::text[]$$),
    factory.demand('api_keys', 'api_keys_scopes_owned',
        $$('admin' = ANY (scopes)) = (project_id IS NULL) AND (project_id IS NOT NULL OR cardinality(scopes) = 1)$$),
    factory.demand('api_keys', 'api_keys_expires_at_dated', $$expires_at < '9999-01-01T00:00:00Z'$$);

-- In numeric, NaN and Infinity pass for amounts of 0 and more.
SELECT factory.demand(
    'model_prices', format('model_prices_%s_finite', name), format('%1$I >= 0 AND %1$I < ''Infinity''', name)
)
FROM unnest(ARRAY[
    'input_usd_per_mtok', 'output_usd_per_mtok', 'cached_input_usd_per_mtok', 'cache_write_usd_per_mtok',
    'cache_write_1h_usd_per_mtok', 'audio_usd_per_mchar', 'threshold_input_usd_per_mtok',
    'threshold_output_usd_per_mtok', 'threshold_cached_input_usd_per_mtok', 'threshold_cache_write_usd_per_mtok'
]) AS name;
