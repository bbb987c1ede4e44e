"""The words of the factory and its pure decisions. Imports nothing else of ours."""
