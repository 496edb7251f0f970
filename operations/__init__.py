"""Accountability shared by all apps: who asked for what, is it running, how did it end."""
