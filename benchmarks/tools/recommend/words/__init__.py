"""A recommendation in words: lines for the terminal and the blocks of its page."""
