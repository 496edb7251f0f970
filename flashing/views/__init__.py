"""Pages of flashing: the wizard, a run, the runs of a board, first-boot profiles."""
