"""Putting an image on the storage of one or several slots, and who asked for it."""
