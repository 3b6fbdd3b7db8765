"""The command line: declarations, and the functions that run them."""
