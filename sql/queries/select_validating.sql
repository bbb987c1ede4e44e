SELECT batch.id, batch.project_id, project.name AS project
FROM factory.batches AS batch JOIN factory.projects AS project ON project.id = batch.project_id
WHERE batch.state = 'validating'
ORDER BY batch.id
