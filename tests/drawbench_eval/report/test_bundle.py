import io
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

from drawbench_eval.features.bank import StoredFeatures
from drawbench_eval.files import sha256_bytes, sha256_file
from drawbench_eval.report import Report, load_sweep
from drawbench_eval.report.bundle import CONTENTS, copy_bundle, opened, unpack, write_bundle
from drawbench_eval.report.sections import build_report
from drawbench_eval.samples import SampleSet
from drawbench_eval.store import Store

NAME = "guidance_x_threshold"


@pytest.fixture(scope="module")
def bundle(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "evidence.zip"
    return path, write_bundle(load_sweep(results, NAME), results, path)


def changed(path, target, edits, *, resealed=False):
    """A copy of the bundle with some files replaced (None: removed), its listing made to fit or not."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, edit in edits.items():
        if edit is None:
            del files[name]
        else:
            files[name] = edit(files.get(name, b""))
    if resealed:
        contents = json.loads(files[CONTENTS])
        contents["files"] = {name: sha256_bytes(data) for name, data in files.items() if name != CONTENTS}
        files[CONTENTS] = json.dumps(contents).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def scores_of(path):
    with zipfile.ZipFile(path) as archive:
        return next(name for name in archive.namelist() if "dynamic-w4-" in name and "scores" in name)


def test_there_are_no_images_and_the_same_evidence_is_the_same_bytes(bundle, results, tmp_path):
    path, sha256 = bundle
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert {"bundle.json", "protocols.json", "README.txt", f"sweeps/{NAME}.json"} < set(names)
    endings = {name.rsplit("/", 1)[-1].partition(".")[2] for name in names}
    assert endings == {"json", "txt", "csv", "parquet", ""}
    assert [name for name in names if name.endswith("/unfinished")] != []
    assert sum(name.endswith("scores.parquet") for name in names) == 15
    again = tmp_path / "again.zip"
    assert write_bundle(load_sweep(results, NAME), results, again) == sha256 == sha256_file(again)


def test_every_figure_and_interval_comes_out_again_from_the_bundle_alone(bundle, results):
    original = load_sweep(results, NAME)
    rebuilt = Report.from_runs(bundle[0])
    pd.testing.assert_frame_equal(rebuilt.frame, Report(data=original, results=results).frame)
    assert rebuilt.data.findings == original.findings
    figures, again = (
        {picture.name: (picture.svg, picture.data) for picture in build_report(data).pictures()}
        for data in (original, rebuilt.data)
    )
    assert {name for name in figures if figures[name] != again.get(name)} == {
        name for name in figures if name.startswith("samples-")
    }
    assert set(again) < set(figures)


def test_a_bundle_unpacked_takes_another_run(bundle, results, synthetic, tmp_path):
    folder = copy_bundle(bundle[0], tmp_path / "results")
    world = synthetic.World()
    synthetic._write_run(folder, world, synthetic._prompts(world), "dynamic", 5)
    assert len(load_sweep(folder).complete) == 16


def test_a_changed_added_or_missing_file_is_named(bundle, tmp_path):
    path = bundle[0]
    name = scores_of(path)
    for edits, message in (
        ({name: lambda data: data[:-1] + b"x"}, rf"{name} was changed after it was bundled"),
        ({name: None}, rf"{name}' was missing|{name} was missing"),
        ({"runs/more/run.json": lambda _: b"{}"}, "runs/more/run.json was added"),
        ({"../escape.txt": lambda _: b"x"}, "leads out of the archive"),
    ):
        target = changed(path, tmp_path / "bad.zip", edits)
        with pytest.raises(ValueError, match=message):
            unpack(target, tmp_path / "out")
    assert not (tmp_path / "escape.txt").exists()


def test_tampering_that_renews_the_listing_is_found_too(bundle, tmp_path):
    path, sha256 = bundle
    name = scores_of(path)

    def better(data):
        frame = pd.read_parquet(io.BytesIO(data))
        frame["scenes_clip_score"] += 0.01
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        return buffer.getvalue()

    target = changed(path, tmp_path / "scores.zip", {name: better}, resealed=True)
    with pytest.raises(ValueError, match=r"scenes_clip_score is recorded as .*, the mean of its scores is"):
        unpack(target, tmp_path / "a")

    record = name.replace("scores.parquet", "run.json")
    other = changed(
        path,
        tmp_path / "factors.zip",
        {record: lambda data: data.replace(b'"model.num_steps": 16', b'"model.num_steps": 17')},
        resealed=True,
    )
    with pytest.raises(ValueError, match="its settings have the hash"):
        unpack(other, tmp_path / "b")

    def lower(data):
        return data.replace(b'"value": 54.', b'"value": 44.')

    # A recorded distance cannot be checked against influences: the published hash of the archive can.
    third = changed(path, tmp_path / "distance.zip", {record: lower}, resealed=True)
    assert unpack(third, tmp_path / "c") == NAME
    with pytest.raises(ValueError, match=r"SHA-256 [0-9a-f]{64}, and [0-9a-f]{64} was published"):
        unpack(third, tmp_path / "d", sha256=sha256)
    with opened(path, sha256=sha256) as (folder, sweep):
        assert (folder / "runs").is_dir()
        assert sweep == NAME


def test_a_mean_close_to_0_of_rounded_scores_is_no_tampering(results, tmp_path):
    (run,) = results.glob("runs/dynamic-w4-*")
    folder = tmp_path / "results" / "runs" / run.name
    shutil.copytree(run, folder)
    scores = pd.read_parquet(folder / "scores.parquet")
    centred = scores["scenes_clip_score"] - scores["scenes_clip_score"].mean() + 1e-6
    scores["scenes_clip_score"] = centred.astype("float32")
    scores.to_parquet(folder / "scores.parquet")
    record = json.loads((folder / "run.json").read_text())
    path = tmp_path / "evidence.zip"
    for value, said in ((centred.mean(), None), (centred.mean() + 1e-5, "the mean of its scores is")):
        record["metrics"]["scenes_clip_score"]["value"] = value
        (folder / "run.json").write_text(json.dumps(record))
        write_bundle(load_sweep(tmp_path / "results"), tmp_path / "results", path)
        found = refused(path, tmp_path / "unpacked")
        assert found is None if said is None else said in found
        shutil.rmtree(tmp_path / "unpacked")


def test_what_is_no_bundle_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not an evidence bundle"):
        unpack(path, tmp_path / "out")


def refused(path, folder):
    """Why a bundle is refused; None where it is not."""
    try:
        unpack(path, folder)
    except ValueError as error:
        return str(error)
    return None


def test_no_damaged_byte_passes_for_evidence(bundle, tmp_path):
    """A byte of a file is found, in one line, whatever it does to the archive; dates are no evidence."""
    content = bundle[0].read_bytes()
    rng = np.random.default_rng(0)
    directory = content.rindex(b"PK\x05\x06") - 400
    with zipfile.ZipFile(bundle[0]) as archive:
        places = [(info.header_offset, info.compress_size) for info in archive.infolist()]
    inside = [int(rng.integers(start + 100, start + size)) for start, size in places if size > 200]
    for index in (*inside, *range(30, 60, 6), *rng.integers(directory, len(content), 15)):
        path = tmp_path / "damaged.zip"
        path.write_bytes(content[:index] + bytes([content[index] ^ (1 << index % 8)]) + content[index + 1 :])
        said = refused(path, tmp_path / f"{index}")
        assert said is None or (str(path) in said and "\n" not in said)
        assert said or index not in inside
        shutil.rmtree(tmp_path / f"{index}", ignore_errors=True)


class Mean:
    """An extractor: the mean colour."""

    name, dim = "mean", 3

    def identity(self):
        return {"extractor": "mean"}

    def extract(self, images):
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


def test_kept_features_go_with_it_by_sample(results, synthetic, tmp_path):
    folder = tmp_path / "results"
    world = synthetic.World(num_prompts=6)
    synthetic._write_run(folder, world, synthetic._prompts(world), "dynamic", 2)
    run = load_sweep(folder).complete[0]
    samples = SampleSet.read(run.folder / "samples")
    images = {one.sample_id: samples.load(one).image for one in samples.samples if one.path}
    StoredFeatures(Mean(), Store(folder / "store")).take(list(images.values()))
    path = tmp_path / "evidence.zip"
    write_bundle(load_sweep(folder), folder, path)
    with opened(path) as (unpacked, _):
        (found,) = (unpacked / "features").glob(f"{run.run_id}-*.safetensors")
        with safe_open(found, framework="numpy") as file:
            vectors, ids = file.get_tensor("vectors"), json.loads(file.metadata()["sample_ids"])
    assert ids == list(images)
    np.testing.assert_allclose(vectors, Mean().extract(list(images.values())))
