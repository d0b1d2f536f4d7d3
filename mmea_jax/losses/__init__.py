"""Training objectives as pure functions of arrays."""
