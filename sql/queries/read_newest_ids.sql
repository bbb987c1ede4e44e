SELECT
    (SELECT id FROM factory.jobs ORDER BY id DESC LIMIT 1) AS job,
    (SELECT id FROM factory.batches ORDER BY id DESC LIMIT 1) AS batch
