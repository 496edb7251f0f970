"""Boards, their slots, the SOMs in them, and power."""
