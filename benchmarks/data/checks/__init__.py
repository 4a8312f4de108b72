"""Dataset checks: damaged files, duplicate images, class names and class sizes."""
