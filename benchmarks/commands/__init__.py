"""What the command line can do, one file per group of commands; parse and print only."""
