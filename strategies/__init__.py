"""Ways to counter imbalance, one file per idea; `base.py` holds the seam."""
