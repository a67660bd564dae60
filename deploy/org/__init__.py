"""The district's units from the command line: import a new version, compare, look."""
