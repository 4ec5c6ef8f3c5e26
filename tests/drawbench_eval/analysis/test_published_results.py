import csv
from importlib.resources import files
from pathlib import Path

import pytest

from drawbench_eval.analysis.published_results import published_curves

DIGITISED = (
    Path(__file__).resolve().parents[4] / "shared" / "data" / "published" / "imagen_fig4_digitised.csv"
)


def test_figure_4_has_its_curves_in_order_of_weight():
    curves = {(curve.panel, curve.series): curve for curve in published_curves()}
    assert {panel for panel, _ in curves} == {"a", "b", "c"}
    assert len(curves) == 4 + 4 + 2
    for curve in curves.values():
        assert len(curve.weights) == 13
        assert list(curve.weights) == sorted(curve.weights)
    # The paper's own reading: dynamic thresholding reaches the higher CLIP score and the lower FID.
    static, dynamic = curves["c", "static"], curves["c", "dynamic"]
    assert max(dynamic.clip_score) > max(static.clip_score)
    assert min(dynamic.fid_10k) == pytest.approx(8.1, abs=0.15)
    assert min(curves["a", "T5-XXL"].fid_10k) == pytest.approx(10.7, abs=0.15)


@pytest.mark.shared_data
@pytest.mark.skipif(not DIGITISED.exists(), reason="needs ../shared/data")
def test_the_table_is_that_of_the_digitised_figure():
    own = files("drawbench_eval.analysis") / "published" / "imagen_fig4.csv"
    assert own.read_text(encoding="utf-8") == DIGITISED.read_text(encoding="utf-8")
    assert len(list(csv.DictReader(own.read_text(encoding="utf-8").splitlines()))) == 130
