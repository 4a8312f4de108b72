"""Ways to counter imbalance, one file per idea; `base.py` defines the interface."""
