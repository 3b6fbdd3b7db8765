"""Files of rows, local or in an object store: read as a stream, written atomically."""
