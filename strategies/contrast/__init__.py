"""Contrastive and consistency losses between views of images, added to a rebalanced classifier."""
