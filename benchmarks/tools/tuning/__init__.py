"""Search the settings of strategies on validation: for the command `tune`."""
