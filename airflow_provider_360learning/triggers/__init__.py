"""Triggers: waits on the triggerer's event loop."""
