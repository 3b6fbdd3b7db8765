"""Waiting on the triggerer's event loop."""
