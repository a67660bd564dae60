"""The department sample as a module: it lies among the documents, not in a package."""

import importlib.util
from types import ModuleType

from deploy.local.places import PROJECT

PATH = PROJECT / "docs" / "integrations" / "department_sample.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("department_sample", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
