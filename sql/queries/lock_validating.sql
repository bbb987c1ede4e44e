SELECT on_error, set_config('idle_in_transaction_session_timeout', '60s', true) AS patience
FROM factory.batches
WHERE id = $1::uuid AND state = 'validating'
    AND pg_try_advisory_xact_lock(hashtextextended('factory batch ' || id::text, 0))
