"""API v1 in front of the state: its routes, limits, error formats and authentication."""
