import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from doubles import DoubleGenerator, Killed, sample_plan, tree

from drawbench_eval.generators import Request, requests
from drawbench_eval.images.decode import Pixels
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.runs.chunks import CHUNK_SIZE, image_name
from drawbench_eval.runs.generation import (
    SamplePlan,
    calibration_requests,
    count_done,
    generate,
    truncated,
)
from drawbench_eval.samples import SampleSet


def _ignore(_count: int) -> None:
    pass


def _generate(plan: SamplePlan, folder: Path) -> SampleSet:
    return generate(plan, folder, made_by={"by": "test"}, advance=_ignore)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("straight")
    _generate(sample_plan(DoubleGenerator()), folder)
    return tree(folder)


def test_every_prompt_and_index_has_one_image_and_a_manifest_line(straight: dict[str, bytes]) -> None:
    images = [name for name in straight if name.endswith(".png")]
    assert len(images) == 250
    assert len(straight["manifest.csv"].splitlines()) == 251
    assert json.loads(straight["set.json"])["made_by"] == {"by": "test", "made_on": ["cpu"]}


@pytest.mark.parametrize("fail_after", [0, 1, 99, 100, 150, 249])
def test_killed_and_started_again_ends_with_the_same_files(
    tmp_path: Path, straight: dict[str, bytes], fail_after: int
) -> None:
    with pytest.raises(Killed):
        _generate(sample_plan(DoubleGenerator(fail_after=fail_after)), tmp_path)
    assert not (tmp_path / "manifest.csv").exists()
    again = sample_plan(DoubleGenerator())
    there = count_done(again, tmp_path)
    assert there == fail_after // CHUNK_SIZE * CHUNK_SIZE
    _generate(again, tmp_path)
    assert tree(tmp_path) == straight
    assert again.generator.made == 250 - there  # type: ignore[attr-defined]


def test_killed_while_writing_a_chunk_makes_it_again(
    tmp_path: Path, straight: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import drawbench_eval.runs.generation as module

    written = 0
    save = module.save_image

    def dies(path: Path, image: object) -> str:
        nonlocal written
        written += 1
        if written == 130:
            raise Killed
        return save(path, image)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "save_image", dies)
    with pytest.raises(Killed):
        _generate(sample_plan(DoubleGenerator()), tmp_path)
    monkeypatch.undo()
    again = DoubleGenerator()
    _generate(sample_plan(again), tmp_path)
    assert tree(tmp_path) == straight
    assert again.made == 150


@pytest.mark.parametrize("damage", ["delete", "flip", "record"])
def test_a_damaged_chunk_is_made_again_alone(tmp_path: Path, straight: dict[str, bytes], damage: str) -> None:
    _generate(sample_plan(DoubleGenerator()), tmp_path)
    path = tmp_path / "p060-01.png"
    if damage == "delete":
        path.unlink()
    elif damage == "flip":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    else:
        (tmp_path / ".chunks" / "00001.json").write_text('{"sha256":')
    again = DoubleGenerator()
    _generate(sample_plan(again), tmp_path)
    assert tree(tmp_path) == straight
    assert again.made == CHUNK_SIZE


class StreamingDouble(DoubleGenerator):
    """The double, handing over each batch as soon as it is finished."""

    def stream(
        self, requests: Sequence[Request], *, batch_size: int
    ) -> Iterator[Sequence[tuple[Request, Pixels]]]:
        for start in range(0, len(requests), batch_size):
            part = requests[start : start + batch_size]
            yield list(zip(part, self.generate(part, batch_size=batch_size, on_image=_ignore), strict=True))


@pytest.mark.parametrize("fail_after", [0, 7, 8, 99, 100, 150, 249])
def test_of_a_streaming_generator_nothing_finished_is_lost(
    tmp_path: Path, straight: dict[str, bytes], fail_after: int
) -> None:
    with pytest.raises(Killed):
        _generate(sample_plan(StreamingDouble(fail_after=fail_after)), tmp_path)
    again = sample_plan(StreamingDouble())
    there = count_done(again, tmp_path)
    chunks, rest = divmod(fail_after, CHUNK_SIZE)
    assert there == chunks * CHUNK_SIZE + rest // 8 * 8
    counted: list[int] = []
    generate(again, tmp_path, made_by={"by": "test"}, advance=counted.append)
    assert tree(tmp_path) == straight
    assert again.generator.made == sum(counted) == 250 - there  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", ["delete", "flip", "record"])
def test_of_a_started_chunk_only_what_is_whole_is_kept(
    tmp_path: Path, straight: dict[str, bytes], damage: str
) -> None:
    with pytest.raises(Killed):
        _generate(sample_plan(StreamingDouble(fail_after=150)), tmp_path)
    (part,) = (tmp_path / ".chunks").glob("*.part.json")
    if damage == "delete":
        (tmp_path / "p060-01.png").unlink()
    elif damage == "flip":
        (tmp_path / "p060-01.png").write_bytes(b"other")
    else:
        part.write_text('{"sha256":')
    again = StreamingDouble()
    _generate(sample_plan(again), tmp_path)
    assert tree(tmp_path) == straight
    assert again.made == (150 if damage == "record" else 250 - 148 + 1)


def test_batches_never_reach_over_a_chunk(tmp_path: Path) -> None:
    generator = DoubleGenerator()
    _generate(sample_plan(generator, batch_size=64), tmp_path)
    assert [len(batch) for batch in generator.batches] == [64, 36, 64, 36, 50]


def test_a_sample_does_not_depend_on_what_else_is_asked_for() -> None:
    few = PromptSet(name="few", prompts=(Prompt(id="p007", text="text 7"),))
    every = {request.sample_id: request for request in sample_plan(DoubleGenerator()).requests}
    for request in requests(few, num_images_per_prompt=2, seed=5):
        assert every[request.sample_id] == request


def test_seeds_differ_by_run_seed_prompt_and_index() -> None:
    few = PromptSet(name="few", prompts=(Prompt(id="a", text="x"), Prompt(id="b", text="x")))
    every = [r.seed for seed in (0, 1) for r in requests(few, num_images_per_prompt=3, seed=seed)]
    assert len(set(every)) == 12
    assert all(0 <= seed < 2**63 for seed in every)


def test_image_names_are_safe_and_distinct() -> None:
    ids = [
        "a-00",
        "../x-00",
        "a/b-00",
        "a\\b-00",
        ".hidden-00",
        "é-00",
        "x" * 200 + "-00",
        "x" * 200 + "-01",
        " -00",
    ]
    names = [image_name(sample_id) for sample_id in ids]
    assert names[0] == "a-00.png"
    assert len(set(names)) == len(ids)
    for name in names:
        assert not set(name) & set('/\\:*?"<>| ')
        assert not name.startswith(".")
        assert len(name) < 120


def test_truncated_prompts_are_named() -> None:
    prompts = PromptSet(name="n", prompts=(Prompt(id="a", text="short"), Prompt(id="b", text="x" * 21)))
    plan = SamplePlan(
        generator=DoubleGenerator(), prompts=prompts, num_images_per_prompt=1, seed=0, batch_size=1
    )
    assert truncated(plan) == ["b"]


def test_calibration_requests_are_spread() -> None:
    chosen = calibration_requests(sample_plan(DoubleGenerator()), 10)
    assert [request.sample_id for request in chosen][:3] == ["p000-00", "p012-01", "p025-00"]
    assert len(chosen) == 10
