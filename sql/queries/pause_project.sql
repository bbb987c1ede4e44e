UPDATE factory.projects SET paused = $2::boolean WHERE name = $1::text RETURNING id
