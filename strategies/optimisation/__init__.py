"""How the weights are moved and averaged."""
