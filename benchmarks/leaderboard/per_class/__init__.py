"""The pages that list every class."""
