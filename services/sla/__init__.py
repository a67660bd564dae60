"""限时: the clock. Keeps what is owed by when, says when it runs out, decides nothing about a case."""
