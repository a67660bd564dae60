"""The fault suite: faults injected on purpose into a running stack under load, then the independent checker."""
