"""Firmware images: uploaded or imported once, inspected, kept unchanged, offered to the slots that they fit."""
