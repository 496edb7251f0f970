"""Measurements with a baseline in the same run. A benchmark prints and records; it never asserts."""
