import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load(name):
    """A helper beside the tests, as a module of its own name."""
    whole = f"drawbench_eval_{name}"
    if whole not in sys.modules:
        spec = importlib.util.spec_from_file_location(whole, HERE / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[whole] = module
        spec.loader.exec_module(module)
    return sys.modules[whole]


@pytest.fixture(scope="session")
def synthetic():
    """The module that writes results folders."""
    return load("synthetic")


@pytest.fixture(scope="session")
def made():
    """The module that makes runs in memory."""
    return load("made")


@pytest.fixture(scope="session")
def results(synthetic, tmp_path_factory):
    """3 thresholds x 5 weights, complete, and three planned runs that are not."""
    return synthetic.write_results(tmp_path_factory.mktemp("results"))
