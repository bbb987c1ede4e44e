"""The dashboard at `/`: what operators look at, behind their key."""
