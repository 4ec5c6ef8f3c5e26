"""What Hydra and OmegaConf mean, in one line that names the key, the value and what would be right."""

import re
from collections.abc import Callable, Sequence

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from drawbench_eval.commands.override import override
from drawbench_eval.commands.settings import suggestion


def one_line(
    error: Exception,
    known_keys: Callable[[], Sequence[str]],
    known_options: Callable[[str], Sequence[str]],
) -> str:
    """One line for `error`; settings and a group's options are asked for only when one was not found."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing_option(str(error.missing_cfg_file), known_options)
    if isinstance(error, OverrideParseException):
        return _not_an_override(str(error.override))
    unknown = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", str(error))
    if unknown and isinstance(error, HydraException | ConfigKeyError | ConfigAttributeError):
        return _unknown_key(error, unknown, known_keys())
    if isinstance(error, MissingMandatoryValue):
        return _needed(str(error.full_key))
    if isinstance(error, InterpolationToMissingValueError):
        # What the setting refers to, not the one that does.
        return _needed(str(error).partition("Missing mandatory value: ")[2].split()[0])
    if isinstance(error, InterpolationKeyError):
        return f"{error.full_key}: {_first_line(error)}"
    if isinstance(error, HydraException) and isinstance(cause, OmegaConfBaseException):
        return f"{_first_line(error)}: {_first_line(cause)}"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _first_line(error)
    return " ".join(str(error).split())


def _needed(key: str) -> str:
    return f"{key}: a value is needed; write {key}=..."


def _not_an_override(word: str) -> str:
    key, _, value = word.partition("=")
    hint = "quote braces, commas and letters with accents"
    # A list or a mapping that is wrong is not to be made a text.
    is_text = value and not value.startswith(("'", '"', "[")) and not re.match(r"\{.*: ", value)
    if is_text and re.fullmatch(r"[+~\w.@/]+", key):
        return f"{word}: not an override; {hint}: {override(key, value)}"
    return f"{word}: not an override; write KEY=VALUE, {hint}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _missing_option(missing: str, known_options: Callable[[str], Sequence[str]]) -> str:
    group, _, option = missing.rpartition("/")
    if not group:
        return f"{option}: no such configuration"
    return f"{group}: {option} is not one of {', '.join(known_options(group))}"


def _unknown_key(error: Exception, match: re.Match[str], known: Sequence[str]) -> str:
    cause = error.__cause__
    full_key = getattr(cause, "full_key", None) or getattr(error, "full_key", None)
    key = str(full_key or match.group(1) or match.group(2))
    within = [name for name in known if name.startswith(f"{key}.")]
    if within:
        return f"{key}: a group of settings; write one of {', '.join(f'{name}=...' for name in within)}"
    return f"{key}: no such setting{suggestion(key, _neighbours(key, known))}"


def _neighbours(key: str, known: Sequence[str]) -> list[str]:
    """All keys when the list of its own group's keys is of no help."""
    group = key.rpartition(".")[0]
    siblings = [name for name in known if name.rpartition(".")[0] == group]
    return siblings if group and siblings else list(known)
