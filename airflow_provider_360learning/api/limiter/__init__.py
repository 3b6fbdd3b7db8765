"""The rate limiter: send times reserved against every limit that applies."""
