"""Serial consoles: the daemon that owns the UARTs, their journals, and the browsers that watch and type."""
