import subprocess
import sys
from pathlib import Path

import pytest

from drawbench_eval.commands.door import conf_folder
from drawbench_eval.metrics.features import FeatureMetric
from drawbench_eval.metrics.registry import MetricContext, known_metrics, make_metric
from drawbench_eval.metrics.scenes_accuracy import ScenesAccuracy
from drawbench_eval.store import Store
from tests.drawbench_eval.metrics.fakes import PROMPT_SET, reference


@pytest.fixture
def context(tmp_path: Path) -> MetricContext:
    return MetricContext(
        prompt_set=PROMPT_SET,
        reference=None,
        store=Store(tmp_path),
        batch_size=8,
        conditions={"guidance_kind": "cfg"},
    )


def test_an_unknown_metric_names_the_known_ones(context: MetricContext) -> None:
    with pytest.raises(
        ValueError, match=r"'fidd' is not known; known are fid, fid_infinity, kid, .*scenes_accuracy"
    ):
        make_metric("fidd", {}, context=context)


def test_an_unknown_setting_is_named(context: MetricContext) -> None:
    with pytest.raises(ValueError, match=r"metrics\.fd_scenes\.resize: not a setting .* known are weights"):
        make_metric("fd_scenes", {"resize": "tf1"}, context=context)
    with pytest.raises(ValueError, match=r"metrics\.scenes_accuracy\.weights: .* it has none"):
        make_metric("scenes_accuracy", {"weights": None}, context=context)
    with pytest.raises(ValueError, match=r"metrics\.fd_scenes\.weights: 3 is not a path"):
        make_metric("fd_scenes", {"weights": 3}, context=_with_reference(context))


def test_a_distance_needs_a_reference(context: MetricContext) -> None:
    with pytest.raises(ValueError, match="fd_scenes needs a reference set and reference is none"):
        make_metric("fd_scenes", {}, context=context)


def test_conditions_reach_the_protocol(context: MetricContext) -> None:
    metric = make_metric("scenes_accuracy", {}, context=context)
    assert isinstance(metric, ScenesAccuracy)
    assert metric.protocol().values["guidance_kind"] == "cfg"


def test_every_metric_has_its_file_of_settings_under_its_own_name() -> None:
    assert sorted(known_metrics()) == sorted(path.stem for path in (conf_folder() / "metrics").glob("*.yaml"))


def test_metrics_of_one_extractor_share_their_features(context: MetricContext) -> None:
    with_reference = _with_reference(context)
    made = {
        name: make_metric(name, {"extractor": "scenes"}, context=with_reference)
        for name in ("precision", "recall", "density", "coverage", "diversity")
    }
    made["fd_scenes"] = make_metric("fd_scenes", {}, context=with_reference)
    assert [metric.name for metric in made.values()] == list(made)
    assert len({id(metric.source) for metric in made.values() if isinstance(metric, FeatureMetric)}) == 1
    with pytest.raises(ValueError, match=r"metrics\.recall\.extractor: foo is not one of inception"):
        make_metric("recall", {"extractor": "foo"}, context=with_reference)


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = "import sys, drawbench_eval; sys.exit(bool({'numpy', 'torch', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _with_reference(context: MetricContext) -> MetricContext:
    from dataclasses import replace

    return replace(context, reference=reference(context.store.folder))
