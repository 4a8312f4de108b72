"""What a run says while it runs."""
