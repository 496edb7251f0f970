"""People: who they are, what role they have, and how the first of them comes in."""
