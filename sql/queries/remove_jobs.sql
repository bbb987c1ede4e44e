WITH removed AS (
    DELETE FROM factory.jobs WHERE id = ANY ($1::uuid[]) RETURNING reserved_usd
)
SELECT coalesce(sum(reserved_usd), 0) AS reserved FROM removed
