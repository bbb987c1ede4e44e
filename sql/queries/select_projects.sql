SELECT id, name, active, weight, settings FROM factory.projects
