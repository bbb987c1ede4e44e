-- What ends jobs keeps its plans: once tables are analyzed anew, Postgres would plan it again for each job, which takes
-- it longer than the work. What these functions call is within it, triggers too.
ALTER FUNCTION factory.end_jobs SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION factory.complete_calls SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION factory.land_flights SET plan_cache_mode = force_generic_plan;
