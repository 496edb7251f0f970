"""What may be asked of the switch, and its execution in the worker."""
