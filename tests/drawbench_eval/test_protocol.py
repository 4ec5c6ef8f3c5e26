import pytest

from drawbench_eval.protocol import Protocol, compare


def test_the_id_is_of_the_values_alone() -> None:
    a = Protocol(name="a", values={"n": 1, "w": "x"})
    assert a.id == Protocol(name="b", values={"w": "x", "n": 1.0}).id
    assert len(a.id) == 10
    assert a.id != Protocol(name="a", values={"n": 2, "w": "x"}).id


def test_compare_names_the_keys_that_differ() -> None:
    a = Protocol(name="a", values={"n": 1, "w": "x", "only_a": None, "flag": True})
    b = Protocol(name="b", values={"n": 1.0, "w": "y", "only_b": 0, "flag": 1})
    assert compare(a, b) == ["flag", "only_a", "only_b", "w"]
    assert compare(a, a) == []


def test_values_are_flat() -> None:
    with pytest.raises(ValueError, match=r"protocol a: crop is a list"):
        Protocol(name="a", values={"crop": [1]})  # type: ignore[dict-item]
