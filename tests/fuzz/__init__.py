"""Requests to API v2 of the sandbox that schemathesis generates from the published documents (``make fuzz``)."""
