"""
A local server that stands in for 360Learning, for development and tests without a company of one's own.

It listens on loopback only. One neutral company (:mod:`.state`) stands behind the API versions (:mod:`.v1` and
:mod:`.v2`). The sandbox imports nothing of the client, so that an error in one is not hidden by the same error in the
other. What the documentation leaves open is an assumption, and a setting (:mod:`.settings`).
"""
