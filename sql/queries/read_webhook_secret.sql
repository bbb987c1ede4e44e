SELECT secret_number, secret_digest, old_secret_number, old_secret_until
FROM factory.webhook_secrets WHERE project_id = $1::uuid
