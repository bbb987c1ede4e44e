"""The number of workers, over real processes and in simulation."""
