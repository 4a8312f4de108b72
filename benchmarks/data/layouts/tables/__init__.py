"""Tables that list images: CSV, Parquet, and Hugging Face data sets."""
