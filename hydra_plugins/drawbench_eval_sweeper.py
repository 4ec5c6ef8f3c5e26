"""Where Hydra looks for sweepers; ours lies in drawbench_eval/commands/sweeper.py."""

from drawbench_eval.commands.sweeper import Resuming


class ResumingSweeper(Resuming):
    """hydra/sweeper=resuming."""
