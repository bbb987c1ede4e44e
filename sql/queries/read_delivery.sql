SELECT delivery.id, coalesce(hook.active, true) AS active
FROM factory.webhook_deliveries AS delivery
LEFT JOIN factory.webhook_endpoints AS hook ON hook.id = delivery.endpoint_id
WHERE delivery.id = $1::uuid AND delivery.project_id = $2::uuid
