SELECT
    (SELECT count(*) FROM factory.cache_entries WHERE project_id = $1::uuid AND expires_at > now()) AS entries,
    count(*) FILTER (WHERE NOT hit.part) AS hits,
    count(*) FILTER (WHERE hit.part) AS parts_found,
    coalesce(sum(hit.saved_usd), 0) AS saved_usd,
    count(*) FILTER (WHERE hit.saved_usd IS NULL) AS unpriced
FROM factory.cache_hits AS hit
WHERE hit.project_id = $1::uuid AND hit.at >= coalesce($2::timestamptz, '-infinity')
