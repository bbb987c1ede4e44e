UPDATE factory.alerts SET resolved_at = now() WHERE subject = $1 AND resolved_at IS NULL
