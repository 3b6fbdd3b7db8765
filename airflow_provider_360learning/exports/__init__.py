"""Rows out: what 360Learning knows, as flat rows in files that are whole or not there, and proven complete."""
