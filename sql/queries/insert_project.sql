INSERT INTO factory.projects (name) VALUES ($1::text) ON CONFLICT (name) DO NOTHING RETURNING id
