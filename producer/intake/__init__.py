"""How many lines become the jobs of one batch: stored, checked, made, all of it or none."""
