SELECT min(quarter) AS first, max(quarter) AS last FROM factory.arrivals
