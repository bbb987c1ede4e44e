DELETE FROM factory.files WHERE id = ANY ($1::uuid[])
