"""What of a text says who somebody is, and how it reads without that. Pure."""
