SELECT EXISTS (SELECT FROM factory.jobs WHERE id = ANY ($1::uuid[]) AND content_deleted_at IS NOT NULL)
