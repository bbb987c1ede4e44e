DELETE FROM factory.webhook_endpoints WHERE id = $1::uuid AND project_id = $2::uuid RETURNING id
