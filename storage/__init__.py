"""Audio and file bytes behind one interface: a folder, or S3, GCS and Azure by URL."""
