UPDATE factory.alias_targets SET active = false WHERE alias = 'storm' AND provider = 'anthropic';
