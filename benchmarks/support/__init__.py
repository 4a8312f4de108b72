"""What every room uses: errors, keys, files, locks, what machine this is."""
