"""Services with something broken on purpose: `python -m tests.faults.mutated.<service>`."""

import os
import runpy

from tests.faults.mutations import MUTATIONS, VARIABLE


def run(service: str) -> None:
    """Start a service's own main, after what `CHUISHAO_MUTATION` names was put into the machinery."""
    MUTATIONS[os.environ[VARIABLE]].put_in(service)
    runpy.run_module(f"services.{service}.main", run_name="__main__")
