DELETE FROM factory.alert_deliveries WHERE created_at < $1::timestamptz
