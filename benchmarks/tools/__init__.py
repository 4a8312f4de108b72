"""Commands that look at, check or clean up what runs left."""
