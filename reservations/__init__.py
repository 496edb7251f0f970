"""A slot for one person and for a time: taking it, queueing for it, giving it back, overriding it with a reason."""
