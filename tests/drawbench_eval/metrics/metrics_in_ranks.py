"""Every metric fed and computed in one of two processes, which sync over gloo: `FOLDER RANK` as arguments.

The first has images 0 to 19 and the second the rest; FOLDER/rankN.json holds what each found.
"""

import json
import sys
from pathlib import Path

import torch
from every_metric import METRICS, PICTURES
from fakes import prompt_of

from drawbench_eval.features import scenes

folder, rank = Path(sys.argv[1]), int(sys.argv[2])
scenes.SIDE = 8
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
mine = range(20) if rank == 0 else range(20, len(PICTURES))
found = {}
for name, make in METRICS.items():
    metric = make(folder)()
    for rows in (mine[:3], mine[3:]):
        metric.update([PICTURES[i] for i in rows], [prompt_of(i) for i in rows])
    value, columns = metric.compute()
    found[name] = [value.to_json(), {column: values.tolist() for column, values in columns.items()}]
(folder / f"rank{rank}.json").write_text(json.dumps(found))
torch.distributed.destroy_process_group()
