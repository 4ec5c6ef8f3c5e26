import io
import json
import re
import shutil

import pandas as pd
import pytest

from drawbench_eval.report import Axes, Report
from drawbench_eval.report.curve_sections import curves_section
from drawbench_eval.report.html import to_html
from drawbench_eval.report.sections import build_report

NAME = "guidance_x_threshold"


@pytest.fixture(scope="module")
def report(results):
    return Report.from_runs(str(results), NAME, title="Mine")


def test_a_report_is_two_calls(report, tmp_path):
    assert report.save(tmp_path / "x.pdf").read_bytes().startswith(b"%PDF-")
    page = report.save(str(tmp_path / "x.html")).read_text(encoding="utf-8")
    assert "<title>Mine</title>" in page
    assert report.save(tmp_path / "x.zip").read_bytes().startswith(b"PK")
    with pytest.raises(ValueError, match=r"cannot write \.docx; write \.pdf, \.html, \.zip or a folder"):
        report.save(tmp_path / "x.docx")
    again = Report.from_runs(tmp_path / "x.zip")
    with pytest.raises(ValueError, match="is a bundle already"):
        again.save(tmp_path / "y.zip")


def test_the_table_is_a_frame(report):
    assert isinstance(report.frame, pd.DataFrame)
    assert {"run_id", "model.guidance_weight", "fd_scenes", "fd_scenes.lo", "front"} < set(
        report.frame.columns
    )
    assert len(report.frame) == 18


def test_any_two_metrics_stand_against_each_other(results):
    axes = Axes(alignments=("fd_scenes",), distance="scenes_clip_score")
    turned = Report.from_runs(results, NAME, axes=axes)
    usual = Report.from_runs(results, NAME)
    members = {point.run.run_id for point in turned.data.fronts["fd_scenes"].members}
    assert members == usual.data.front_ids("scenes_clip_score")
    assert turned.data.pairs["fd_scenes"]
    with pytest.raises(ValueError, match=r"pareto: fid is no metric of these runs; write one of scenes_clip"):
        Report.from_runs(results, NAME, axes=Axes(distance="fid"))
    with pytest.raises(ValueError, match="fd_scenes is on both axes"):
        Report.from_runs(results, NAME, axes=Axes(alignments=("fd_scenes",)))


def test_an_ablation_is_made_of_the_factor_that_varies(report, tmp_path):
    (ablation,) = report.data.ablations
    assert (ablation.plan.factor, ablation.baseline) == ("model.threshold", "dynamic")
    assert ablation.levels == ("none", "static")


def test_models_of_unlike_guidance_never_share_an_axis_of_weights(results, tmp_path):
    """Half of the runs are made to be of a distilled model."""
    shutil.copytree(results / "runs", tmp_path / "runs")
    for path in tmp_path.glob("runs/static-*/run.json"):
        record = json.loads(path.read_text())
        for entry in record["metrics"].values():
            entry["protocol"]["values"]["guidance_kind"] = "distilled"
        path.write_text(json.dumps(record))
    data = Report.from_runs(tmp_path).data
    pictures = {block.name: block for block in curves_section(data).blocks if hasattr(block, "svg")}
    assert set(pictures) == {"weights", "weights-distilled", "pareto"}
    own = pd.read_csv(io.StringIO(pictures["weights-distilled"].data))
    other = pd.read_csv(io.StringIO(pictures["weights"].data))
    assert all("static" in name for name in own["curve"])
    assert not any("static" in name for name in other["curve"])


def test_runs_with_equal_scores_are_called_equal(results, tmp_path):
    """Static thresholding is made to give what dynamic gave."""
    for run in (*results.glob("runs/dynamic-w[14]-*"), *results.glob("runs/static-w[14]-*")):
        shutil.copytree(run, tmp_path / "runs" / run.name)
    for twin in tmp_path.glob("runs/dynamic-*"):
        folder = next(tmp_path.glob(f"runs/static-{twin.name.split('-')[1]}-*"))
        shutil.copy(twin / "scores.parquet", folder)
        record, other = (json.loads((one / "run.json").read_text()) for one in (folder, twin))
        (folder / "run.json").write_text(json.dumps(record | {"metrics": other["metrics"]}))
    written = Report.from_runs(tmp_path).save(tmp_path / "report")
    page = (written / "report.html").read_text(encoding="utf-8")
    assert "Threshold static is equal to dynamic in 5 of 5 measures." in page
    assert "equals that of dynamic in every resampling" in page
    assert "(0 throughout: nothing to test)" in page
    for wrong in ("nan", "p undefined", "interval 0 to 0): not resolved"):
        assert not re.search(rf"\b{re.escape(wrong)}\b", page.partition("<script")[0])
    table = pd.read_csv(written / "tables" / "ablation.csv")
    assert table[table["level"] == "static"]["p"].isna().all()


def as_sets(results, folder, *names):
    """Runs as of images that were found: a set of them has a label, and no guidance weight."""
    for run in names:
        (found,) = results.glob(f"runs/{run}-*")
        shutil.copytree(found, folder / "runs" / found.name)
        path = folder / "runs" / found.name / "run.json"
        record = json.loads(path.read_text())
        kept = {key: value for key, value in record["factors"].items() if not key.startswith("model.")}
        record["factors"] = kept | {"model.samples_sha256": found.name, "model.guidance_kind": "none"}
        for entry in record["metrics"].values():
            entry["protocol"]["values"]["guidance_kind"] = "none"
        record["label"] = f"{run} with a name so long that nothing but its two ends can stand over a column"
        path.write_text(json.dumps(record))
    return Report.from_runs(folder)


def test_a_front_on_fewer_samples_than_a_run_scored_says_so(results, tmp_path):
    report = as_sets(results, tmp_path, "none-w1", "none-w4")
    said = "is of the 64 samples that all 2 runs scored"
    assert said not in to_html(build_report(report.data), tiles=())
    path = report.data.complete[0].folder / "scores.parquet"
    scores = pd.read_parquet(path)
    scores.loc[:1, "scenes_clip_score"] = float("nan")
    scores.to_parquet(path)
    assert f"Here scenes CLIP score {said}, in the" in to_html(
        build_report(Report.from_runs(tmp_path).data), tiles=()
    )


def test_sets_of_images_have_no_weight_anywhere(results, tmp_path):
    pictures = {
        one.name: one
        for one in build_report(as_sets(results, tmp_path, "none-w1", "none-w4").data).pictures()
    }
    assert {"bars", "categories", "pareto"} < set(pictures)
    for name in ("bars", "categories", "pareto"):
        assert "weight" not in pictures[name].caption
    one = build_report(as_sets(results, tmp_path / "one", "none-w4").data)
    page = to_html(one, tiles=())
    assert "runs are compared pair by pair" not in page
    assert "guidance weight: the smallest" not in page
    # A long name takes several lines, or it would push the numbers out of sight.
    assert re.search(r'<td class="long" data-key="[^"]*">none-w4 with a name so long', page)
