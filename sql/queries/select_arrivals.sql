SELECT quarter, kind, jobs, busiest FROM factory.arrivals WHERE quarter = ANY($1::timestamptz[])
