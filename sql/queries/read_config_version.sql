SELECT version FROM factory.config_version
