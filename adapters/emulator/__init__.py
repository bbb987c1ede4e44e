"""A local server that speaks the providers' wire formats, and refuses what they refuse."""
