"""router, mutated."""

from tests.faults.mutated import run

run("router")
