"""What is compared with what: combinations with their parts, tuned settings with the default, over data sets."""
