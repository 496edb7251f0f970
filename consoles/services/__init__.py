"""What the rest of the portal may do with serial consoles."""
