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
    from drawbench_eval.runs import generation
    from drawbench_eval.runs.identity import run_id
    from drawbench_eval.runs.progress import show_progress

    settings = build(planning.GenerateSettings, plain(config))
    plan = planning.plan_samples(settings)
    factors = planning.sample_factors(plan)
    label = settings.label or plan.generator.label
    planning.writable("results", settings.results)
    folder = settings.results / "samples" / f"{label}-{run_id(factors)}"
    there = generation.count_done(plan, folder)
    with show_progress(f"{label}: generating", total=plan.num_images, done=there) as advance:
        generation.generate(plan, folder, made_by={"factors": factors}, advance=advance)
    print(f"{folder}: {plan.num_images} images, {plan.num_images - there} made now", file=sys.stderr)
    cut = generation.truncated(plan)
    if cut:
        print(
            f"{len(cut)} prompts are longer than the model reads and were cut: {', '.join(cut)}",
            file=sys.stderr,
        )
