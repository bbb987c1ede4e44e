WITH forgotten AS (
    DELETE FROM factory.batch_errors WHERE batch_id = $1::uuid
)
UPDATE factory.batches SET
    content_deleted_at = coalesce($2::timestamptz, now()),
    name = NULL,
    metadata = '{}',
    error = CASE
        WHEN error IS NOT NULL
        THEN jsonb_build_object('kind', error -> 'kind', 'message', 'deleted with the content of the batch')
    END
WHERE id = $1::uuid AND content_deleted_at IS NULL
