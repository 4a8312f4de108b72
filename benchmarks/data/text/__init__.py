"""Product names as words and numbers."""
