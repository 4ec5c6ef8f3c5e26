import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import typst
from PIL import Image

from drawbench_eval.analysis.curves import THRESHOLD
from drawbench_eval.analysis.selection import Choice
from drawbench_eval.report import load_sweep, write_report
from drawbench_eval.report.blocks import DataTable, Gallery, Pairs, Picture, Report, Section
from drawbench_eval.report.bundle import unpack, write_bundle
from drawbench_eval.report.category_bars import bar_settings, category_bars
from drawbench_eval.report.document import as_json, to_pdf
from drawbench_eval.report.grids import make_grids
from drawbench_eval.report.html import to_html
from drawbench_eval.report.sections import build_report
from drawbench_eval.report.selection_section import selection_section

NAME = "guidance_x_threshold"
VOID = {"meta", "br", "img", "link", "hr"}
# Of fifteen runs: as many as hold 132 images.
NUM_GRIDS = 8


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that what is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


@pytest.fixture(scope="module")
def data(results):
    return load_sweep(results, NAME)


@pytest.fixture(scope="module")
def report(data):
    return build_report(data)


@pytest.fixture(scope="module")
def written(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "demo"
    return folder, write_report(data, folder)


@pytest.fixture(scope="module")
def page(written):
    return Page((written[0] / "report.html").read_text(encoding="utf-8"))


def blocks(report, kind):
    return [block for section in report.sections for block in section.blocks if isinstance(block, kind)]


def test_all_files_are_there_and_nothing_else(written):
    folder, paths = written
    names = [path.relative_to(folder).as_posix() for path in paths]
    assert names[:2] == ["report.pdf", "report.html"]
    assert {"figures/pareto.svg", "figures/weights.svg", "figures/categories.svg", "figures/kinds.svg"} < set(
        names
    )
    assert sum(name.startswith("figures/samples-") and name.endswith(".svg") for name in names) == NUM_GRIDS
    assert {"tables/points.csv", "tables/categories.csv", "tables/kinds.csv", "findings.json"} < set(names)
    assert {"tables/points.tex", "tables/fronts.tex", "tables/pairs.tex", "tables/ablation.tex"} < set(names)
    drawn = {path.stem for path in paths if path.suffix == ".svg"}
    assert {path.stem for path in paths if path.suffix == ".png"} == drawn
    numbered = {path.stem for path in paths if path.suffix == ".csv" and path.parent.name == "figures"}
    assert drawn == numbered
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == sorted(paths)
    assert paths[0].read_bytes().startswith(b"%PDF-")


def test_the_same_runs_give_the_same_bytes_and_old_figures_do_not_stay(data, written, tmp_path):
    old, own = tmp_path / "figures" / "samples-99.svg", tmp_path / "figures" / "mine.svg"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    own.write_text("mine")
    outside = tmp_path.parent / "outside.svg"
    outside.write_text("not ours")
    listing = {"figures/samples-99.svg": "", "../outside.svg": "", str(outside): ""}
    (tmp_path / "files.json").write_text(json.dumps(listing))
    write_report(data, tmp_path)
    for path in written[1]:
        assert (tmp_path / path.relative_to(written[0])).read_bytes() == path.read_bytes(), path.name
    assert not old.exists()
    assert own.read_text() == "mine"
    assert outside.exists()


def test_figures_are_vector_graphics_without_links(written):
    for path in written[1]:
        if path.suffix == ".svg":
            root = ElementTree.parse(path).getroot()
            links = [
                value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")
            ]
            assert all(link.startswith(("#", "data:image/png")) for link in links)


def test_a_figure_taller_than_a_page_is_printed_whole(monkeypatch):
    """The foot of a figure of 20 inches is blue, and there is blue on the page."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 40" width="360pt" height="1440pt">'
        '<rect width="10" height="40" fill="#ff0000"/>'
        '<rect y="39" width="10" height="1" fill="#0000ff"/></svg>'
    )
    picture = Picture(name="tall", svg=svg, width=5.0, caption="Tall.", alt="")
    report = Report(title="T", subtitle="", answer=(), sections=(Section(title="One", blocks=(picture,)),))
    compiled, compile_ = [], typst.compile

    def as_png(*args, **options):
        compiled.append(compile_(*args, **{**options, "format": "png", "ppi": 36}))
        return b"%PDF-"

    monkeypatch.setattr(typst, "compile", as_png)
    to_pdf(report)
    (pages,) = compiled
    pixels = [
        np.asarray(Image.open(io.BytesIO(page)).convert("RGB"), dtype=int)
        for page in (pages if isinstance(pages, list) else [pages])
    ]
    assert any(((page[..., 2] > 200) & (page[..., 0] < 60)).any() for page in pixels)


def test_the_page_is_self_contained(page, report):
    for tag, name, value in page.attributes:
        if name in ("src", "href"):
            assert value.startswith(("data:image/svg+xml;charset=utf-8,", "#")), (tag, name, value[:50])
    sources = [value for tag, name, value in page.attributes if name == "src"]
    assert [unquote(value.partition(",")[2]) for value in sources] == [one.svg for one in report.pictures()]
    assert page.tags.count("img") == 8 + NUM_GRIDS
    assert all(value for tag, name, value in page.attributes if name == "alt")


def test_a_prompt_is_text_and_never_markup(page, report, synthetic):
    assert synthetic.HOSTILE in page.text
    assert "b" not in page.tags
    prompts = [title for gallery in blocks(report, Gallery) for _, title, _ in gallery.pictures]
    assert synthetic.HOSTILE in prompts


def test_typst_gets_text_as_data(report, synthetic):
    """Evaluated as markup, the open bracket and the reference in it would fail to compile."""
    pictures = [block for section in as_json(report)["sections"] for block in section["blocks"]]
    galleries = [block for block in pictures if block["kind"] == "gallery"]
    assert galleries[0]["pictures"][0][1] == synthetic.HOSTILE
    assert to_pdf(report).startswith(b"%PDF-")


def test_the_answer_comes_first_and_every_claim_is_there(page, data):
    assert page.text.index("claims of the Imagen paper") < page.text.index("Figure 1.")
    for finding in data.findings:
        assert finding.claim in page.text
        assert finding.sentence in page.text.replace("\u00a0", " ")
    assert "nothing about natural images" in page.text


def test_planned_runs_that_are_not_complete_are_listed(page, data):
    assert "15 of 18 planned runs complete" in page.text
    assert [run.status for run in data.incomplete] == ["failed", "unfinished", "not started"]
    for run in data.incomplete:
        assert f"{run.label} {run.run_id} {run.status} {run.reason}" in page.text


def test_the_points_table_has_every_run_once_with_interval(report, data):
    table = next(block for block in blocks(report, DataTable) if block.name == "points").table
    assert len(table.rows) == 15
    ids = [row[-1].text for row in table.rows]
    assert sorted(ids) == sorted(run.run_id for run in data.complete)
    entry = next(run for run in data.complete if run.label == "dynamic-w4").metrics["fd_scenes"]
    row = next(row for row in table.rows if row[0].text == "dynamic" and row[1].text == "4")
    cell = row[table.columns.index("Fréchet distance")]
    assert cell.text.removesuffix(" *") == f"{entry['value']:.1f}"
    assert cell.detail == f"{entry['ci95'][0]:.1f} to {entry['ci95'][1]:.1f}"
    assert cell.key == entry["value"]


def test_the_best_of_the_same_samples_is_marked_in_the_table_and_its_file(report, data, written):
    block = next(block for block in blocks(report, DataTable) if block.name == "points")
    marked = [
        (row[-1].text, column)
        for row in block.table.rows
        for column, cell in zip(block.table.columns, row, strict=True)
        if cell.text.endswith(" *")
    ]
    assert len(marked) == len(data.metrics)
    lowest = min(data.complete, key=lambda run: run.metrics["fd_scenes"]["value"])
    assert (lowest.run_id, "Fréchet distance") in marked
    assert "picked on these same samples" in block.caption
    frame = pd.read_csv(written[0] / "tables" / "points.csv").set_index("run_id")
    assert "fd_scenes" in frame.loc[lowest.run_id, "best_of_same_samples"].split()


def test_what_other_samples_chose_has_a_table(data):
    first, second = data.curves[0].runs[:2]
    choice = Choice(curve="static", metric="fd_scenes", weight=2.5, chosen_on=first, reported=second)
    (table,) = selection_section(replace(data, choices=(choice,))).blocks
    (row,) = table.table.rows
    assert (row[0].text, row[2].text, row[5].text) == ("static", "2.5", choice.protocol_id)
    assert (row[3].key, row[4].key) == tuple(run.metrics["fd_scenes"]["value"] for run in (first, second))
    assert selection_section(data).blocks == ()


def test_figures_and_tables_are_numbered_in_order(report):
    pictures = [b.number for s in report.sections for b in s.blocks if isinstance(b, Picture | Gallery)]
    assert pictures == list(range(1, 10))
    assert [table.number for table in blocks(report, DataTable)] == [1, 2, 3, 4, 5]
    assert [table.name for table in blocks(report, DataTable)][-2:] == ["points", "incomplete"]
    points = next(block for block in blocks(report, DataTable) if block.name == "points")
    pareto = next(picture for picture in report.pictures() if picture.name == "pareto")
    assert f"the panels of Figure {pareto.number} in which" in points.caption


def test_provenance_has_settings_protocols_and_commands(report, page, data):
    pairs = {block.title: dict(block.items) for block in blocks(report, Pairs)}
    assert pairs["Settings that vary"][THRESHOLD] == "none, static, dynamic"
    assert pairs["Settings that all runs share"]["model.sampler"] == "ddim"
    assert pairs["Protocol of fd_scenes"]["n_requested"] == "66"
    assert pairs["Environment"]["git.commit"] == "0f" * 20
    assert pairs["Inputs"]["weights.base"] == "5b0c" * 16
    assert "drawbench-eval evaluate -m experiment=guidance_x_threshold" in page.text
    assert f"drawbench-eval report sweep={NAME}" in page.text
    assert "Every sample id has the same prompt and seed in all runs" in page.text


def test_tables_and_findings_as_files(written, data):
    folder, _ = written
    points = pd.read_csv(folder / "tables" / "points.csv")
    assert points["status"].tolist() == ["complete"] * 15 + ["failed", "unfinished", "not started"]
    assert points["front"].notna().any()
    categories = pd.read_csv(folder / "tables" / "categories.csv")
    assert set(categories["category"]) == {*data.scores[data.complete[0].run_id]["category"], "all"}
    findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    assert len(findings) == len(data.findings)
    assert findings[0]["estimate"] == data.findings[0].estimate
    assert all("same_samples" in finding for finding in findings)


def keep_only(results, folder, pattern, *, samples=True):
    """A results folder with those runs whose folder matches."""
    for path in results.glob(f"runs/{pattern}"):
        ignore = None if samples else shutil.ignore_patterns("samples")
        shutil.copytree(path, folder / "runs" / path.name, ignore=ignore)
    return folder


def test_one_run_alone_makes_a_report(results, tmp_path):
    one = load_sweep(keep_only(results, tmp_path, "dynamic-w4-*", samples=False))
    report = build_report(one)
    assert report.title == "Evaluation report"
    assert [picture.name for picture in report.pictures()] == ["bars", "categories", "kinds"]
    assert "kept no samples" in to_html(report)
    assert to_pdf(report).startswith(b"%PDF-")


def test_one_metric_alone_makes_a_report(results, tmp_path):
    folder = keep_only(results, tmp_path, "static-w*")
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        record["metrics"] = {k: v for k, v in record["metrics"].items() if k == "fd_scenes"}
        path.write_text(json.dumps(record))
    report = build_report(load_sweep(folder, title="Only the distance"))
    assert report.title == "Only the distance"
    assert report.pictures()[0].name == "weights"
    assert to_pdf(report).startswith(b"%PDF-")


@pytest.mark.parametrize(("view", "factor"), [("x100", 100.0), ("clipscore_w2.5", 2.5)])
def test_everything_of_a_viewed_clip_score_is_in_the_views_unit(results, tmp_path, view, factor):
    """The scores hold raw cosines; tables, fronts, categories and the check of a bundle are in one unit."""
    folder = keep_only(results, tmp_path / "results", "*-w[48]-*", samples=False)
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        entry = record["metrics"].pop("scenes_clip_score")
        entry |= {"value": factor * entry["value"], "ci95": [factor * end for end in entry["ci95"]]}
        entry["protocol"]["values"]["view"] = view
        record["metrics"]["clip_score"] = entry
        path.write_text(json.dumps(record))
        scores = pd.read_parquet(path.parent / "scores.parquet")
        scores.rename(columns={"scenes_clip_score": "clip_score"}).to_parquet(path.parent / "scores.parquet")
    data = load_sweep(folder)
    recorded = {run.run_id: run.metrics["clip_score"]["value"] for run in data.complete}
    assert min(recorded.values()) > 0.1 * factor
    for run_id, value in recorded.items():
        assert data.scores[run_id]["clip_score"].mean() == pytest.approx(value, rel=1e-6)
    front = data.fronts["clip_score"]
    assert {point.run.run_id: point.y for point in front.points} == pytest.approx(recorded, rel=1e-6)
    bars = category_bars(data, "clip_score", bar_settings(data, "clip_score"))
    whole = pd.read_csv(io.StringIO(bars.data)).query("category == 'all'")
    for row in whole.itertuples():
        assert row.value == pytest.approx(recorded[row.run_id], rel=1e-6)
    write_bundle(data, folder, tmp_path / "evidence.zip")
    unpack(tmp_path / "evidence.zip", tmp_path / "unpacked")


def test_missing_images_leave_a_grey_cell_and_are_counted(results, tmp_path):
    folder = keep_only(results, tmp_path, "dynamic-w*")
    next(folder.glob("runs/dynamic-w4-*/samples/p000-00.png")).unlink()
    grids = make_grids(load_sweep(folder))
    assert [(grid.num_images, grid.num_cells) for grid in grids] == [(4, 5)] + [(5, 5)] * 10
    assert [grid.sample.category for grid in grids] == sorted(grid.sample.category for grid in grids)


def test_mixed_protocols_are_refused_or_said(results, tmp_path):
    folder = keep_only(results, tmp_path, "dynamic-w*", samples=False)
    path = next(folder.glob("runs/dynamic-w4-*/run.json"))
    record = json.loads(path.read_text())
    record["metrics"]["fd_scenes"]["protocol"] = {
        "id": "ffffffffff",
        "name": "x",
        "values": {"precision": "tf32"},
    }
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"fd_scenes.*precision: (None and 'tf32'|'tf32' and None)"):
        load_sweep(folder)
    mixed = to_html(build_report(load_sweep(folder, allow_mixed=True)))
    assert "Mixed protocols." in mixed
    assert "ffffffffff" in mixed


def test_what_cannot_be_reported_is_said_in_one_line(results, tmp_path):
    with pytest.raises(ValueError, match="known sweeps: guidance_x_threshold"):
        load_sweep(results, "nothing")
    (tmp_path / "runs" / "x-0123456789").mkdir(parents=True)
    with pytest.raises(ValueError, match="none of 1 runs is complete"):
        load_sweep(tmp_path)


def test_numbers_in_the_page_sort_as_numbers(page):
    keys = [value for tag, name, value in page.attributes if name == "data-key"]
    assert sum(bool(re.fullmatch(r"-?\d+(\.\d+)?(e[-+]?\d+)?", key)) for key in keys) > 15 * 5
