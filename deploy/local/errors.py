class StackError(Exception):
    """Something the operator can act on; the message says what to do next."""
