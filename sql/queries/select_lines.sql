SELECT line, body FROM (
    SELECT line, body, sum(octet_length(body)) OVER (ORDER BY line) - octet_length(body) AS before
    FROM (
        SELECT line, body FROM factory.batch_lines
        WHERE batch_id = $1::uuid AND line > $2::integer ORDER BY line LIMIT $3::integer
    ) AS page
) AS measured
WHERE before < $4::bigint
ORDER BY line
