"""Live statistics and surges. Pure."""
