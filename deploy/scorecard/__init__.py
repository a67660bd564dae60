"""Scorecards from the command line: compute, publish, verify, export."""
