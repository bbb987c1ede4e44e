SELECT id, name, active, regions, limits FROM factory.providers
