"""The independent checker: reads the client's own ledger, the tables and the topics, and says which of the
invariants I1–I7 (`report.py`) is broken and by which case.

It shares nothing with the services but the contracts: the hash chain, what a unit is told of a fact, and what
"drained" means are written down here a second time, so that an error in one place cannot hide in the other.
"""
