"""API v2 in front of the state: its routes, limits, error formats, authentication, pages and filters."""
