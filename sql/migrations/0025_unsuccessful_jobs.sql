-- What an operator asks for first among very many jobs: those that went wrong, of all projects.

CREATE INDEX jobs_unsuccessful ON factory.jobs (id DESC) WHERE state IN ('failed', 'expired', 'cancelled');
