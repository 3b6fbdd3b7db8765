"""Sensors, one module per subject."""
