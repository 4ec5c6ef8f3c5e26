import subprocess
import sys
import time

import pytest
from command_line import Run

from drawbench_eval.cli import VERBS


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = "import sys; from drawbench_eval.cli import main; main(['--help']); print(*sys.modules)"
    took = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        took.append(time.monotonic() - started)
    assert min(took) < 0.5
    usage, _, modules = done.stdout.strip().rpartition("\n")
    assert all(f"  {verb} " in usage for verb in VERBS)
    heavy = {"torch", "numpy", "pandas", "hydra", "omegaconf", "rich", "transformers"}
    assert not heavy & {module.partition(".")[0] for module in modules.split()}


def test_no_verb_is_a_mistake(run: Run) -> None:
    result = run()
    assert result.code == 2
    assert result.out.startswith("drawbench-eval VERB")


def test_an_unknown_verb_names_the_known_ones(run: Run) -> None:
    result = run("evalute")
    assert result.code == 2
    assert result.err == f"error: verb: evalute is not one of {', '.join(VERBS)}\n"


@pytest.mark.parametrize("verb", ["evaluate", "generate", "prompts", "report"])
def test_every_verb_is_a_hydra_app(run: Run, verb: str) -> None:
    shown = run(verb, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"drawbench-eval {verb} - ")
    config = run(verb, "--cfg", "job")
    assert config.code == 0
    assert "prompts:\n" in config.out or "sweep:" in config.out
