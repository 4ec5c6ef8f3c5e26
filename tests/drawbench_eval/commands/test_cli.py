import errno
import subprocess
import sys
import time

import pytest
from command_line import Run

from drawbench_eval.cli import VERBS
from drawbench_eval.commands.door import guarded
from drawbench_eval.runs.record import RunFailed


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


def test_a_reader_who_has_enough_is_no_crash() -> None:
    code = "from drawbench_eval.commands.door import guarded; raise SystemExit(guarded(lambda: print('a')))"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


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


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_one_line_and_no_mistake_of_the_user(
    capsys: pytest.CaptureFixture[str], wrapped: bool
) -> None:
    def writes() -> None:
        full = OSError(errno.ENOSPC, "No space left on device", "results/x")
        if wrapped:
            raise RunFailed("a run") from full
        raise full

    assert guarded(writes) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: results/x: No space left on device; what is written is whole")
    assert said.count("\n") == 1


def test_other_errors_keep_their_traceback() -> None:
    def reads() -> None:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        guarded(reads)
