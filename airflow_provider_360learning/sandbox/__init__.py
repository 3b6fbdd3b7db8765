"""A stand-in for 360Learning's API v1, to develop and test against without a tenant.

It listens on loopback only, and it is its own statement of the documented facts: it imports nothing of the client.
What the documentation leaves open is an assumption, and a setting (see :mod:`.settings`).
"""
