"""`/v1/admin/…`: what operators decide, behind a key with scope admin."""
