"""Stories: a brief becomes one batch of jobs, and the batch becomes a folder."""
