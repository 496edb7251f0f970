"""What a SOM's new system finds at its first boot: written into the image's own boot partition (FAT)."""
