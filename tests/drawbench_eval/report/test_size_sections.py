"""The tables beside an ablation of sizes: what encoders tell, and ranges beside the paper's."""

import pytest

from drawbench_eval.report.blocks import DataTable, Paragraph
from drawbench_eval.report.data import load_sweep
from drawbench_eval.report.document import to_pdf
from drawbench_eval.report.published_panel import published_section
from drawbench_eval.report.sections import build_report
from drawbench_eval.report.size_sections import size_section

FACTS = {
    "t5_small": {"color": 0.9, "relation": 0.5, "order": 0.999},
    "t5_large": {"color": 1.0, "relation": 0.99, "order": 1.0},
}


@pytest.fixture(scope="module")
def encoders(synthetic, tmp_path_factory):
    def change(record, better, _):
        name = "t5_large" if better else "t5_small"
        record["factors"] |= {"model.text_encoder": name, "model.weights.base": name * 8}
        record["inputs"]["text_facts"] = FACTS[name]

    return load_sweep(synthetic.rewritten(tmp_path_factory.mktemp("encoders"), change))


@pytest.fixture(scope="module")
def networks(synthetic, tmp_path_factory):
    def change(record, better, _):
        series = "base_large" if better else "base_small"
        record["factors"]["model.weights.base"] = series * 8
        record["inputs"]["training"] = {"stage": "base", "series": series, "step": 5000, "images": 640_000}

    return load_sweep(synthetic.rewritten(tmp_path_factory.mktemp("networks"), change))


def tables(data) -> dict[str, list[tuple[str, ...]]]:
    blocks = size_section(data).blocks
    return {
        block.name: [tuple(cell.text for cell in row) for row in block.table.rows]
        for block in blocks
        if isinstance(block, DataTable)
    }


def test_what_each_encoder_tells_stands_beside_chance(encoders) -> None:
    assert sorted(tables(encoders)["text-facts"]) == [
        ("chance", "12.5 %", "25.0 %", "50.0 %"),
        ("t5_large", "100.0 %", "99.0 %", "100.0 %"),
        ("t5_small", "90.0 %", "50.0 %", "99.9 %"),
    ]
    (said,) = (block.text for block in size_section(encoders).blocks if isinstance(block, Paragraph))
    assert said == "Less than 98 % of some kind of fact is told by t5_small."
    assert "Encoders and sizes" in [section.title for section in build_report(encoders).sections]
    assert to_pdf(build_report(encoders)).startswith(b"%PDF-")


def test_encoders_that_all_tell_everything_are_said_to(synthetic, tmp_path) -> None:
    def change(record, better, _):
        record["factors"]["model.text_encoder"] = "t5_large" if better else "t5_middle"
        record["inputs"]["text_facts"] = FACTS["t5_large"]

    blocks = size_section(load_sweep(synthetic.rewritten(tmp_path, change))).blocks
    (said,) = (block.text for block in blocks if isinstance(block, Paragraph))
    assert said.startswith("All of these encoders tell at least 98 % of each kind of fact")


def test_the_range_over_sizes_stands_beside_the_paper_s(encoders, networks) -> None:
    for data, theirs in (
        (encoders, [("0.261", "0.285", "+0.023"), ("14.1", "10.7", "−3.4")]),
        (networks, [("0.286", "0.288", "+0.002"), ("9.4", "9.4", "−0.1")]),
    ):
        rows = tables(data)["ranges"]
        assert [row[1:] for row in rows[-2:]] == theirs
        small = [run for run in data.complete if "small" in str(run.factors["model.weights.base"])]
        distance = min(run.metrics["fd_scenes"]["value"] for run in small)
        (ours,) = (row for row in rows if row[0].startswith("Fréchet distance"))
        assert float(ours[1]) == pytest.approx(distance, abs=0.05)
    assert "text-facts" not in tables(networks)


def test_of_the_paper_s_panels_the_one_about_the_same_size_is_shown(encoders, networks) -> None:
    for data, series in ((encoders, "T5-XXL"), (networks, "2B")):
        (picture,) = published_section(data).blocks
        assert series in picture.data
        assert "static" not in picture.data


def test_other_sweeps_have_no_such_section(synthetic, results) -> None:
    assert size_section(load_sweep(results, "guidance_x_threshold")).blocks == ()
