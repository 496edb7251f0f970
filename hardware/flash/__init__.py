"""Disk images and how they get onto a SOM's storage: reading, block maps, targets, writing, verifying."""
