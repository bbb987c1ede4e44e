-- What an operator must see to: dead credentials, accounts without credit.

CREATE TABLE factory.alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    message text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    times integer NOT NULL DEFAULT 1,
    resolved_at timestamptz
);
COMMENT ON TABLE factory.alerts IS 'What an operator must see to. One open row for each subject and kind; resolved when a call succeeds again.';
CREATE UNIQUE INDEX alerts_open ON factory.alerts (subject, kind) WHERE resolved_at IS NULL;
