SELECT requests, tokens, admitted_requests, admitted_tokens FROM factory.batch_admissions WHERE batch_id = $1::uuid
