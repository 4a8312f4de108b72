"""Tables of entries that belong together: combinations with their parts, tuned settings with the default."""
