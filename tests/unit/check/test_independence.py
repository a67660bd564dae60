"""The checker shares no code with what it checks but the contracts."""

import subprocess
import sys

LOADED = """
import sys
import deploy.check.command, deploy.check.drained
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("services", "shared")))
"""


def test_of_our_code_only_the_contracts_are_loaded() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout.split()
    assert loaded
    assert [name for name in loaded if name != "shared" and not name.startswith("shared.contracts")] == []
