"""The command line: declarations and what they run."""
