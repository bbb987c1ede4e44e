-- What the operator's webhook is told of alerts: written down in the transaction that raises or resolves one.

CREATE TABLE factory.alert_deliveries (
    id uuid PRIMARY KEY DEFAULT factory.new_id(),
    alert_id bigint NOT NULL REFERENCES factory.alerts ON DELETE CASCADE,
    type text NOT NULL CHECK (type IN ('alert.raised', 'alert.resolved')),
    created_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    over_at timestamptz,
    last_status integer,
    last_error text
);
COMMENT ON TABLE factory.alert_deliveries IS 'The outbox of FACTORY_ALERT_WEBHOOK_URL. Without that variable nobody takes from it, and what is older than a day is not sent any more.';
COMMENT ON COLUMN factory.alert_deliveries.over_at IS 'Delivered, or given up: last_status and last_error say which.';
CREATE INDEX alert_deliveries_due ON factory.alert_deliveries (next_at) WHERE over_at IS NULL;
CREATE INDEX alert_deliveries_of_alert ON factory.alert_deliveries (alert_id);

CREATE FUNCTION factory.tell_of_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO factory.alert_deliveries (alert_id, type)
    VALUES (NEW.id, CASE WHEN NEW.resolved_at IS NULL THEN 'alert.raised' ELSE 'alert.resolved' END);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_raised AFTER INSERT ON factory.alerts
    FOR EACH ROW EXECUTE FUNCTION factory.tell_of_alert();
CREATE TRIGGER tell_of_resolved AFTER UPDATE OF resolved_at ON factory.alerts
    FOR EACH ROW WHEN (OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL)
    EXECUTE FUNCTION factory.tell_of_alert();
COMMENT ON TABLE factory.alerts IS 'What an operator must see to. One open row for each subject and kind; resolved when it is over.';
