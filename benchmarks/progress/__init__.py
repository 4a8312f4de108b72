"""Progress of a run: its events, and the reporters that show or log them."""
