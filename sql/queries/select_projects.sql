SELECT id, name, active, weight, settings, paused FROM factory.projects
