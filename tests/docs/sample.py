"""A sample as a module: samples lie among the documents, not in a package."""

import importlib.util
from types import ModuleType

from deploy.local.places import PROJECT

FOLDER = PROJECT / "docs" / "integrations"


def load(name: str = "department_sample") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
