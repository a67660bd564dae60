"""sla, mutated."""

from tests.faults.mutated import run

run("sla")
