"""The district's working calendars from the command line: load, show, count."""
