import hashlib
from pathlib import Path

import pytest

from drawbench_eval.runs.identity import find_run, flatten, run_folder, run_id


def test_order_and_number_type_make_no_difference() -> None:
    assert run_id({"a": 1, "b": 2.5}) == run_id({"b": 2.5, "a": 1.0})


@pytest.mark.parametrize(
    "changed", [{"a": 2, "b": None}, {"a": 1, "b": "x"}, {"a": 1}, {"a": True, "b": None}]
)
def test_every_factor_counts(changed: dict[str, object]) -> None:
    assert run_id(changed) != run_id({"a": 1, "b": None})


def test_ids_stay_what_they_are() -> None:
    content = b'{"model.guidance_weight":3,"seed":0}'
    assert run_id({"model.guidance_weight": 3.0, "seed": 0}) == hashlib.sha256(content).hexdigest()[:10]


def test_a_new_factor_is_left_out_where_it_is_as_before() -> None:
    old, introduced = {"seed": 0}, {"churn": 0, "order": None}
    new = {"seed": 0, "churn": 0.0, "order": None}
    assert run_id(new, introduced_as=introduced) == run_id(old)
    assert run_id({**new, "churn": 1}, introduced_as=introduced) == run_id({**old, "churn": 1})
    assert run_id(new) != run_id(old)


def test_flatten() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None}) == {
        "a.b": 1,
        "a.c.d": [1, 2],
        "e": None,
    }


def test_a_run_is_found_by_its_hash_whatever_its_label(tmp_path: Path) -> None:
    assert find_run(tmp_path, "0123456789") is None
    assert run_folder(tmp_path, "new", "0123456789") == tmp_path / "runs" / "new-0123456789"
    old = tmp_path / "runs" / "an-old-label-0123456789"
    old.mkdir(parents=True)
    assert run_folder(tmp_path, "new", "0123456789") == old


def test_a_run_id_is_never_a_number() -> None:
    """Hydra reads 5188e37686 as infinity and 0123456789 as an integer; an id has to come back as it was."""
    ids = [run_id({"seed": seed}) for seed in range(500)]
    assert all(len(one) == 10 and one[0].isalpha() and set(one) <= set("0123456789abcdef") for one in ids)
    assert len(set(ids)) == 500
