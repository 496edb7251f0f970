"""Serial consoles: the daemon that owns the UARTs. Today it drains them and feeds the evidence."""
