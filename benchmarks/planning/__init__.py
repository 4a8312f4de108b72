"""From a suite to jobs with content keys, and what is left to do."""
