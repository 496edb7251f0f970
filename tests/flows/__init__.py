"""A package, so that the portals of all its tests end with the last of them and not with the whole run."""
