"""How fast the system is on this machine, measured on private engines: figures to read, never a test."""
