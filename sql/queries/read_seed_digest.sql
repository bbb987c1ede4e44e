SELECT row_values ->> 'digest' AS digest FROM factory.seeded WHERE table_name = '' AND row_key = '{}'
