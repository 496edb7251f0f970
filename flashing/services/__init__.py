"""What may be asked of flashing, and its execution in the flash worker."""
