"""10,000 bootstrap replicates of 5,000 judgements (200 prompts x 25 raters): ours against a plain loop.

    python benchmarks/rating_bootstrap.py [--write]

Ours draws how often each prompt comes and multiplies it with the prompts' sums; the loop copies the rows of
drawn prompts, as textbooks have it, and is timed on fewer replicates. Both intervals are held to each other.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from tables import machine, show, table

from drawbench_eval.stats.agreement import agreement, count_ratings
from drawbench_eval.stats.bootstrap import bootstrap_mean, percentile_interval
from drawbench_eval.stats.rates import preference

NUM_PROMPTS, NUM_RATERS = 200, 25
NUM_DRAWS, NUM_IN_LOOP = 10_000, 500
LIMIT_S = 5.0
# The interval of so few draws of the loop is known to a tenth of its width.
TOLERANCE = 0.15


def main() -> None:
    """Times, compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep the table under benchmarks/results")
    write = parser.parse_args().write
    rng = np.random.default_rng(0)
    prompt = np.repeat(np.arange(NUM_PROMPTS), NUM_RATERS)
    rater = np.tile(np.arange(NUM_RATERS), NUM_PROMPTS)
    latent = 0.3 + 0.8 * rng.normal(size=NUM_PROMPTS)[prompt] + rng.normal(size=len(prompt))
    choice = (latent > 0.4) - 1.0 * (latent < -0.4)

    start = time.perf_counter()
    ours = percentile_interval(bootstrap_mean(choice, prompt, seed=0, num_draws=NUM_DRAWS))
    ours_s = time.perf_counter() - start
    start = time.perf_counter()
    loop = percentile_interval(_loop(choice, prompt))
    loop_s = (time.perf_counter() - start) * NUM_DRAWS / NUM_IN_LOOP
    width = ours[1] - ours[0]
    assert np.allclose(ours, loop, atol=TOLERANCE * width), (ours, loop)
    start = time.perf_counter()
    preference(choice, prompt, rater, seed=0, num_draws=NUM_DRAWS)
    shares_s = time.perf_counter() - start
    start = time.perf_counter()
    agreement(count_ratings(choice, prompt), seed=0, num_draws=NUM_DRAWS)
    agreement_s = time.perf_counter() - start

    rows = [
        ("mean of 5,000 judgements", f"{ours_s:.3f}", f"{ours_s / NUM_DRAWS * 1e6:.1f}"),
        ("all shares and both conventions", f"{shares_s:.3f}", f"{shares_s / NUM_DRAWS * 1e6:.1f}"),
        ("three alphas, kappa, raw agreement", f"{agreement_s:.3f}", f"{agreement_s / NUM_DRAWS * 1e6:.1f}"),
        (f"the mean, a loop over rows ({NUM_IN_LOOP} replicates, scaled)", f"{loop_s:.2f}",
         f"{loop_s / NUM_DRAWS * 1e6:.0f}"),
    ]  # fmt: skip
    verdict = f"{'Under' if ours_s < LIMIT_S else 'NOT under'} {LIMIT_S:g} s; intervals agree."
    heading = f"# {NUM_DRAWS:,} bootstrap replicates of {len(choice):,} judgements"
    show(
        "rating_bootstrap",
        heading,
        machine(),
        table(("statistic", "seconds", "microseconds a replicate"), rows),
        verdict,
        write=write,
    )


def _loop(values: NDArray[np.float64], prompt: NDArray[np.int64]) -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    rows = [np.flatnonzero(prompt == code) for code in range(NUM_PROMPTS)]
    means = []
    for _ in range(NUM_IN_LOOP):
        drawn = rng.integers(NUM_PROMPTS, size=NUM_PROMPTS)
        means.append(values[np.concatenate([rows[code] for code in drawn])].mean())
    return np.array(means)


if __name__ == "__main__":
    main()
