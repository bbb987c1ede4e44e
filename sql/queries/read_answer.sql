SELECT result, provider, model, variant, usage FROM factory.jobs WHERE id = $1::uuid AND state = 'completed'
