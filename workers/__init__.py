"""Takes jobs out: the arq worker, the story of one job from claim to notify, the background duties."""
