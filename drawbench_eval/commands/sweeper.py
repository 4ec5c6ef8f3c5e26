"""Hydra's own sweeper, without the points that are over: they get no job, under any launcher.

Imported by Hydra alone, from hydra_plugins: it loads its sweepers once more when it looks for plugins, and a
class made of an earlier copy would not work.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override

from drawbench_eval.commands.resuming import POINT_VARIABLE, said_of_over


class Resuming(BasicSweeper):
    """The points of a recorded sweep that are left, in order.

    Hydra composes every point once more only to see that it can be; ours were, when the sweep was recorded.
    """

    # Hydra calls its static method on the instance.
    def split_arguments(  # type: ignore[override]
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Batches of the points that are left; none where all are over."""
        (every,) = BasicSweeper.split_arguments(overrides, None)
        left = [
            [*every[place], f"+hydra.job.env_set.{POINT_VARIABLE}='{place + 1}'"]
            for place in self._left(len(every))
        ]
        return [*self.split_overrides_to_chunks(left, max_batch_size)] if left else []

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Nothing: every point has been composed."""

    def _left(self, total: int) -> list[int]:
        from drawbench_eval.commands.points import sweep_name
        from drawbench_eval.runs.sweep import read_sweep

        assert self.config is not None
        if self.config.check_only:
            return list(range(total))
        results = Path(str(self.config.results))
        record = read_sweep(results, sweep_name(self.config))
        over = said_of_over(results, record.run_ids, retry_failed=bool(self.config.retry_failed))
        places = {place: over.get(run_id) for place, run_id in enumerate(record.run_ids)}
        for place, said in places.items():
            if said is not None:
                print(f"point {place + 1}: {said}", file=sys.stderr, flush=True)
        return [place for place, said in places.items() if said is None]
