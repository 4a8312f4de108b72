"""Light fine-tuning of pretrained networks."""
