SELECT project.id, project.name, project.active
FROM factory.jobs AS job JOIN factory.projects AS project ON project.id = job.project_id
WHERE job.id = $1::uuid
