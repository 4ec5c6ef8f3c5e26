import itertools
import threading
from collections.abc import Iterator

import pytest

from drawbench_eval.images.loading import load_ahead


class Counted:
    """0, 1, 2, ... without end, and how many were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __iter__(self) -> Iterator[int]:
        for item in itertools.count():
            self.asked += 1
            yield item


def third_fails(item: int) -> int:
    if item == 3:
        raise OSError("the third")
    return item * item


@pytest.mark.parametrize("workers", [0, 1, 3, None])
@pytest.mark.parametrize("ahead", [0, 1, 7, 1000])
def test_results_are_those_of_map_in_order(workers: int | None, ahead: int) -> None:
    results = load_ahead(lambda item: item * item, range(100), workers=workers, ahead=ahead)
    assert list(results) == [item * item for item in range(100)]


def test_order_holds_when_later_items_are_done_first() -> None:
    second_is_done = threading.Event()

    def load(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(30)
        if item == 1:
            second_is_done.set()
        return item

    assert list(load_ahead(load, range(5), workers=2, ahead=4)) == [0, 1, 2, 3, 4]


def test_of_nothing_comes_nothing() -> None:
    assert list(load_ahead(third_fails, [])) == []


def test_no_more_than_asked_is_read_ahead() -> None:
    items, loaded = Counted(), Counted()
    results = load_ahead(lambda item: next(numbers), items, workers=2, ahead=5)
    numbers = iter(loaded)
    assert items.asked == 0
    for done in range(1, 20):
        next(results)
        assert items.asked == done + 5
    results.close()
    assert loaded.asked <= 19 + 5


def test_items_are_loaded_by_other_threads() -> None:
    threads = set(load_ahead(lambda item: threading.get_ident(), range(50), workers=3))
    assert 1 <= len(threads) <= 3
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("ahead", [0, 2, 50])
def test_an_error_is_raised_where_its_result_would_have_come(ahead: int) -> None:
    results = load_ahead(third_fails, range(10), workers=4, ahead=ahead)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    with pytest.raises(OSError, match="the third"):
        next(results)


def test_an_error_of_the_items_themselves_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(load_ahead(third_fails, items()))


def test_threads_end_with_the_results_however_these_end() -> None:
    before = threading.active_count()
    whole = load_ahead(third_fails, range(3), workers=3)
    stopped = load_ahead(third_fails, itertools.count(4), workers=3, ahead=4)
    failed = load_ahead(third_fails, range(9), workers=3, ahead=9)
    assert next(whole) == 0
    assert next(stopped) == 16
    assert next(failed) == 0
    assert threading.active_count() > before
    assert list(whole) == [1, 4]
    stopped.close()
    with pytest.raises(OSError, match="the third"):
        list(failed)
    assert threading.active_count() == before
