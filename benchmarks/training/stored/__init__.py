"""Features of a backbone that is not trained: of which views, computed once, kept in the cache."""
