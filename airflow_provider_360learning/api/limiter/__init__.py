"""The rate limiter: reserves send times against every limit that applies."""
