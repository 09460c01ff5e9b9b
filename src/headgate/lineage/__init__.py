"""Read SQL once: columns in, columns out, impact of a change. Pure functions over SQL text and known schemas."""
