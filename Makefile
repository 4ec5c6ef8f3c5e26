# make demo: the whole way from prompts to reports/demo/report.pdf and reports/README.md.   make test: the tests.
# Both make .venv and install into it first where that is needed.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo reports reports-trained test test-slurm parity coverage bench-fid bench-sampling verify-online docs check format clean
.DELETE_ON_ERROR:

setup: $(STAMP)

# Only a changed pyproject.toml installs again: the package itself is installed editable.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: PYTHON: $(PYTHON) is older than 3.11; use make PYTHON=python3.11 ..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); this takes a few minutes once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: report-demo
	$(BIN)/drawbench-eval report summary=reports

# The paper's ablations in miniature, and the table of what all reports found: those whose models come with the
# package, and those whose models are trained first. Costs: reports/README.md. What is finished is not done again.
SWEEPS := demo guidance_x_threshold guidance_rise base_guidance percentile_x_guidance sr_guidance \
	aug_level_x_guidance recovery sr_spread
TRAINED_SWEEPS := encoder_size encoder_family unet_size conditioning augmentation augmentation_series \
	efficient_unet guidance_x_threshold_saturated
ENCODERS := scenes/t5_small,scenes/t5_large,scenes/t5_random,scenes/clip_text
BASES := scenes/base_t5_middle,scenes/base_t5_small,scenes/base_t5_large,scenes/base_t5_random,scenes/base_t5_joint
BASES := $(BASES),scenes/base_clip_text,scenes/base_mean_pooling,scenes/base_attention_pooling,scenes/base_small,scenes/base_middle,scenes/base_large
SR64S := scenes/sr64_efficient,scenes/sr64_unet,scenes/sr64_no_augmentation
SATURATED := scenes/base_saturated,scenes/sr64_saturated

reports: $(STAMP) $(SWEEPS:%=report-%)
	$(BIN)/drawbench-eval report summary=reports

reports-trained: $(STAMP)
	$(BIN)/drawbench-eval train -m experiment=$(ENCODERS)
	$(BIN)/drawbench-eval train -m experiment=$(BASES),$(SR64S),$(SATURATED)
	$(MAKE) $(TRAINED_SWEEPS:%=report-%)
	$(BIN)/drawbench-eval report summary=reports

report-%: $(STAMP)
	$(BIN)/drawbench-eval evaluate -m experiment=$*
	$(BIN)/drawbench-eval report sweep=$* output=reports/$*

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not network and not parity and not slurm"

# A real sweep on a Slurm of this machine alone, started for the test and stopped after it; needs root once, for
# Debian's packages. About 5 minutes.
test-slurm: $(STAMP)
	@PATH="$$PATH:/usr/sbin:/sbin"; command -v slurmctld slurmd munged >/dev/null \
		|| { apt-get update && apt-get install --yes --no-install-recommends slurm-wlm munge; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pytest -m slurm tests/slurm -s --timeout=1200

# Our figures beside those of the peers' packages, which are installed first; about 4 minutes of one core.
parity: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,parity]'
	$(BIN)/python -m pytest -m parity tests/parity -s --timeout=1200

# What the intervals hold: 1,000 draws of fixed seeds for each row of docs/statistics.md; about 11 minutes of one core.
coverage: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -s -m slow tests/drawbench_eval/stats/test_coverage.py \
		tests/drawbench_eval/stats/test_rating_coverage.py

# Speed against the peers, the trace of the root, peak memory: tables under benchmarks/results; estimated at an hour.
bench-fid: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,parity]'
	$(BIN)/python benchmarks/fid_speed.py --write
	$(BIN)/python benchmarks/frechet_trace.py --write
	$(BIN)/python benchmarks/fid_memory.py --write

# Sampling beside diffusers and imagen-pytorch, memory of the paper's 1024 x 1024 stage: tables under
# benchmarks/results.
bench-sampling: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,parity]'
	$(BIN)/python benchmarks/sampling.py --write
	$(BIN)/python benchmarks/sr1024_memory.py --write

# For a machine with internet: the real weights, about 2 GB, against what is published of them.
verify-online: $(STAMP)
	$(BIN)/python -m pytest -m network tests/online --timeout=3600

# The pages under docs/ with the reference made from docstrings and conf/, into build/site; a warning is an error.
docs: $(STAMP)
	$(BIN)/mkdocs build --quiet

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
