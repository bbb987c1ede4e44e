"""A brief becomes one batch of jobs; a finished batch becomes a folder."""
