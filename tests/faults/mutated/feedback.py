"""feedback, mutated."""

from tests.faults.mutated import run

run("feedback")
