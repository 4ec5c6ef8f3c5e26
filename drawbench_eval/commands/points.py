"""The points of a sweep: their overrides, and their configurations, each composed in a hundredth of a second.

Hydra composes a configuration in 0.1 s. Points that choose the same files of the groups differ in single
values alone, so the files are composed once and the values set on a copy, by Hydra's own function.
"""

import copy
from collections.abc import Iterator, Sequence

from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


def points(config: DictConfig) -> list[list[str]]:
    """The overrides of every point, by the parser and the product that Hydra's own sweeper uses."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    texts = [f"{key}={value}" for key, value in params.items()] + written(config)
    parsed = _parser().parse_overrides(texts)
    (product,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return product


def written(config: DictConfig) -> list[str]:
    """The overrides as they were written: an interpolation in one is resolved at each point, not before."""
    texts = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    assert isinstance(texts, list)
    return [str(text) for text in texts]


def sweep_name(config: DictConfig) -> str:
    """The name that is given, the experiment's, or a hash of the overrides."""
    from drawbench_eval.runs.sweep import check_name, default_name

    if config.sweep is not None:
        return check_name(str(config.sweep))
    return default_name(written(config), config.hydra.runtime.choices.get("experiment"))


def configurations(config_name: str, every: Sequence[Sequence[str]]) -> Iterator[DictConfig]:
    """What Hydra composes of each point."""
    repository = GlobalHydra.instance().config_loader().repository  # type: ignore[attr-defined]
    parser = _parser()
    composed: dict[tuple[str, ...], DictConfig] = {}
    for overrides in every:
        parsed = parser.parse_overrides(list(overrides))
        files: list[Override] = []
        values: list[Override] = []
        for override in parsed:
            is_file = repository.group_exists(override.key_or_group) and not isinstance(
                override.value(), dict
            )
            (files if is_file else values).append(override)
        chosen = tuple(str(override.input_line) for override in files)
        if chosen not in composed:
            composed[chosen] = compose(config_name, overrides=list(chosen))
        own = copy.deepcopy(composed[chosen])
        ConfigLoaderImpl._apply_overrides_to_config(values, own)
        yield own


def swept(every: Sequence[Sequence[str]]) -> dict[str, list[object]]:
    """The keys that differ between points, in the order given, with their values."""
    values: dict[str, list[object]] = {}
    for override in OverridesParser.create().parse_overrides([text for one in every for text in one]):
        seen = values.setdefault(_key(override), [])
        if override.value() not in seen:
            seen.append(override.value())
    return {key: seen for key, seen in values.items() if len(seen) > 1}


def names(every: Sequence[Sequence[str]]) -> list[str]:
    """What tells each point from the others: its overrides of the keys that are swept."""
    varied, parser = swept(every), OverridesParser.create()
    return [
        " ".join(
            f"{_key(override)}={override.get_value_element_as_str()}"
            for override in parser.parse_overrides(list(overrides))
            if _key(override) in varied
        )
        for overrides in every
    ]


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def _parser() -> OverridesParser:
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
