SELECT count(*) FROM factory.jobs WHERE finished_at IS NULL
