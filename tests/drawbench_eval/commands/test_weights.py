import hashlib
from pathlib import Path

from command_line import Run

from drawbench_eval.weights import INCEPTION


def test_what_is_missing_is_said_with_the_way_to_get_it(run: Run, tmp_path: Path) -> None:
    shown = run("weights", f"weights.cache={tmp_path / 'cache'}")
    assert shown.code == 0, shown.err
    inception, clip = shown.out.splitlines()
    assert inception.startswith(f"inception (fid): {tmp_path / 'cache' / INCEPTION.file_name} is not there")
    assert INCEPTION.url in inception
    assert clip.startswith("clip (clip_score): ViT-L-14, tag openai; ")
    assert not (tmp_path / "cache").exists()


def test_a_file_is_held_against_the_published_hash(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"not the weights")
    shown = run("weights", "metrics=[fid,kid,recall]", "weights.inception=mine.pth")
    assert shown.out.startswith("inception (fid, kid, recall): mine.pth, sha256 ")
    assert hashlib.sha256(b"not the weights").hexdigest() in shown.out
    assert f"NOT the published {INCEPTION.sha256}" in shown.out


def test_the_metrics_decide_what_is_needed(run: Run) -> None:
    shown = run("weights", "metrics=[fd_dinov2,fd_scenes,precision]", "metrics.precision.extractor=dinov2")
    assert [line.split(":")[0] for line in shown.out.splitlines()] == [
        "dinov2 (fd_dinov2, precision)",
        "scenes (fd_scenes)",
    ]
    wrong = run("weights", "metrics=[fidd]")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_fetching_what_cannot_be_had_is_one_line(run: Run, tmp_path: Path) -> None:
    failed = run("weights", "metrics=[fid]", "fetch=true", "weights.inception=nowhere.pth")
    assert failed.code == 2
    assert (
        failed.err
        == f"error: weights.inception: nowhere.pth is not a file; give the file {INCEPTION.file_name}\n"
    )
