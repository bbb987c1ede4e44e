SELECT set_config('factory.actor', $1::text, true)
