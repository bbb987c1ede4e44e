SELECT state, fence FROM factory.jobs WHERE id = $1::uuid
