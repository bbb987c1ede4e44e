SELECT FROM factory.batches WHERE id = $1::uuid FOR UPDATE
