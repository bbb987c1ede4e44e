SELECT cost, uncertain_cost FROM factory.spent_on($1::uuid)
