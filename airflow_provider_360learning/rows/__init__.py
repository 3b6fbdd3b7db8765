"""Rows in: read from a source, check, apply, account for each."""
