"""Operators, one module a subject."""
