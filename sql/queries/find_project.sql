SELECT id, name, active FROM factory.projects WHERE name = $1::text
