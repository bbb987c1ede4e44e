DELETE FROM factory.arrivals WHERE quarter < $1::timestamptz
