"""The company behind every API version: who and what exists. No HTTP, and no word of a particular version."""
