import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.reference_sources import CocoReference, StatisticsReference, reference_settings
from drawbench_eval.images.prepare import Preparation


def settings(*overrides: str) -> object:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = plain(compose("evaluate", overrides=["model=folder", "model.path=images", *overrides]))
    return reference_settings(config["reference"])


def test_val2014_is_whole_and_its_middle_squares_at_256() -> None:
    found = settings("reference=coco_val2014", "reference.path=val2014.zip")
    assert isinstance(found, CocoReference)
    assert (found.split, found.num_images, found.selection) == ("val2014", 40504, "full")
    assert found.prepare == Preparation(size=256, crop="center", filter="bicubic")
    later = settings("reference=coco_val2017", "reference.path=val2017.zip")
    assert isinstance(later, CocoReference)
    assert (later.split, later.num_images, later.selection) == ("val2017", 5000, "full")
    assert later.prepare == found.prepare


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("reference.prepare.crop=squash",), Preparation(size=256, crop="squash")),
        (("reference.prepare={size:null,crop:none}",), Preparation()),
        (("reference.prepare.filter=lanczos",), Preparation(size=256, crop="center", filter="lanczos")),
    ],
)
def test_other_preparations_are_a_setting_away(overrides: tuple[str, ...], expected: Preparation) -> None:
    found = settings("reference=coco_val2014", "reference.path=val2014.zip", *overrides)
    assert isinstance(found, CocoReference)
    assert found.prepare == expected


def test_a_protocol_s_preparation_is_what_it_states_of_statistics() -> None:
    protocol = ("protocol=imagen2022", "reference=statistics", "reference.path=x.npz")
    found = settings(*protocol)
    assert isinstance(found, StatisticsReference)
    assert found.prepare == Preparation(size=256, crop="center", filter="bicubic")
    plain_ones = settings("reference=statistics", "reference.path=x.npz")
    assert isinstance(plain_ones, StatisticsReference)
    assert plain_ones.prepare is None
