"""What can be done with people: the first start, signing in, people and their rights."""
