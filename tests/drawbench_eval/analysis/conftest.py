import importlib.util
import sys
from pathlib import Path

import pytest

NAME = "drawbench_eval_synthetic_results"
PATH = Path(__file__).with_name("synthetic.py")


def load_synthetic():
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(NAME, PATH)
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
    return sys.modules[NAME]


@pytest.fixture(scope="session")
def synthetic():
    """The module that writes results folders."""
    return load_synthetic()


@pytest.fixture(scope="session")
def results(synthetic, tmp_path_factory):
    """3 thresholds x 5 weights, complete, and three planned runs that are not."""
    return synthetic.write_results(tmp_path_factory.mktemp("results"))
