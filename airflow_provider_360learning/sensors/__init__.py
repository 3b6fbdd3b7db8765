"""Sensors, one module a subject."""
