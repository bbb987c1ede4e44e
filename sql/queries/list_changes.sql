SELECT id, at, actor, action, subject, before, after
FROM factory.audit_log
WHERE ($1::text IS NULL OR subject = $1::text OR starts_with(subject, $1::text || ' '))
    AND ($2::text IS NULL OR actor = $2::text)
    AND ($3::text IS NULL OR action = $3::text)
    AND ($4::bigint IS NULL OR id < $4::bigint)
ORDER BY id DESC
LIMIT $5::integer
