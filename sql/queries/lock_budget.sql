SELECT pg_advisory_xact_lock(hashtextextended('factory budget ' || $1::uuid::text, 0))
