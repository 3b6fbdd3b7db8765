"""The company behind every API version: everything that exists in it. No HTTP, and no word of a particular version."""
