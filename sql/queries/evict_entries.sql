WITH many AS (
    SELECT entry.project_id, bounds.most
    FROM jsonb_to_recordset($1::jsonb) AS bounds (project_id uuid, most bigint)
    JOIN factory.cache_entries AS entry ON entry.project_id = bounds.project_id
    GROUP BY entry.project_id, bounds.most
    HAVING count(*) > bounds.most
), surplus AS (
    SELECT kept.project_id, kept.fingerprint
    FROM many CROSS JOIN LATERAL (
        SELECT entry.project_id, entry.fingerprint
        FROM factory.cache_entries AS entry
        WHERE entry.project_id = many.project_id
        ORDER BY entry.created_at DESC
        OFFSET many.most
    ) AS kept
    UNION
    SELECT entry.project_id, entry.fingerprint FROM factory.cache_entries AS entry WHERE entry.expires_at <= now()
)
DELETE FROM factory.cache_entries AS entry USING surplus
WHERE entry.project_id = surplus.project_id AND entry.fingerprint = surplus.fingerprint
RETURNING entry.project_id
