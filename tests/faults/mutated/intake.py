"""intake, mutated."""

from tests.faults.mutated import run

run("intake")
