SELECT
    batch.id, batch.project_id, project.name AS project, asked.endpoint, asked.cache, asked.expires_at, file.storage_key,
    batch.retry_of
FROM factory.batches AS batch
JOIN factory.projects AS project ON project.id = batch.project_id
LEFT JOIN factory.openai_batches AS asked ON asked.batch_id = batch.id
LEFT JOIN factory.files AS file ON file.id = asked.input_file_id
LEFT JOIN factory.batch_admissions AS admission ON admission.batch_id = batch.id
WHERE batch.state = 'validating' AND coalesce(admission.next_at <= now(), true)
ORDER BY batch.id
