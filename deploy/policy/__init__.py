"""The district's limits from the command line: check, explain, import, compare, look."""
