"""`drawbench-eval generate`: prompts x seeds -> a sample set, under results/samples/."""

import sys

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain


def main() -> None:
    """The verb."""
    hydra_app("generate", generate)


def generate(config: DictConfig) -> None:
    """Make the sample set of `config`; what is there already is not made again."""
    # Heavy imports happen here, so that --help and --cfg stay quick.
    from drawbench_eval.commands import planning
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.identity import run_id

    values = plain(config)
    settings = build(planning.GenerateSettings, values)
    samples = planning.in_ranks(planning.plan_samples(settings), settings, values)
    factors = samples.factors()
    label = settings.label or samples.label
    planning.writable("results", settings.results)
    folder = settings.results / "samples" / f"{label}-{run_id(factors)}"
    made = samples.make(folder, made_by={"factors": factors}, title=label)
    print(f"{folder}: {samples.num_images} images, {made.num_made} made now", file=sys.stderr)
    for remark in made.remarks:
        print(remark, file=sys.stderr)
    cut = samples.truncated_prompts()
    if cut:
        print(
            f"{len(cut)} prompts are longer than the model reads and were cut: {', '.join(cut)}",
            file=sys.stderr,
        )
