SELECT id, part, source FROM factory.board_flights($1::jsonb)
