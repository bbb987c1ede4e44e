SELECT id, name, active FROM factory.projects WHERE id = $1::uuid
