SELECT project.id, project.name, project.active
FROM factory.batches AS batch JOIN factory.projects AS project ON project.id = batch.project_id
WHERE batch.id = $1::uuid
