SELECT id FROM factory.jobs WHERE id = ANY ($1::uuid[]) AND state = 'cancelling'
