"""What a cell measured, and the numbers made of it."""
