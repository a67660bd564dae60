"""The district's rules from the command line: check, explain, try on history, import, compare, look, measure."""
