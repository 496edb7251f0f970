"""Reservations: `book` keeps the rows, `booking` decides for people, `turns` for the clock, `showing` tells pages."""
