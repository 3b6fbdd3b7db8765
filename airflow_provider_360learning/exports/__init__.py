"""Rows out: what 360Learning holds, as flat rows in files that appear whole or not at all."""
