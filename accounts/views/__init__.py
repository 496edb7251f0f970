"""Pages of people: signing in, one's own account, people and their rights, and what failed."""
