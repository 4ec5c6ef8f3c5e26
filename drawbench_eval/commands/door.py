"""The door between Hydra and the rest: runs a verb as a Hydra app, turns mistakes into one line."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from drawbench_eval.commands import explain
from drawbench_eval.runs.record import RunFailed

# What a shell gives a program that nobody listens to any more (128 + SIGPIPE).
CLOSED_PIPE = 141

# The group whose keys are somebody else's: model.settings.NAME=VALUE needs no plus sign.
ConfigStore.instance().store(
    group="settings", name="open", node=OmegaConf.create({}, flags={"struct": False})
)


def conf_folder() -> Path:
    """The Hydra tree: drawbench_eval/conf in a wheel, conf/ beside the package in the repository."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parent / "conf"


def hydra_app(config_name: str, task: Callable[[DictConfig], None]) -> None:
    """Run `task` as the Hydra app of conf/<config_name>.yaml on sys.argv.

    What Hydra itself raises comes out as it is; a mistake that the task finds leaves as SystemExit after its
    one line, because Hydra would print lines of its own around it.
    """
    import hydra
    from hydra._internal.utils import get_args_parser

    # argparse takes overrides on one side of an option only, users write them on both.
    is_override = [not word.startswith("-") and "=" in word for word in sys.argv[1:]]
    words = sorted(zip(is_override, sys.argv[1:], strict=True), key=lambda word: word[0])
    sys.argv[1:] = [word for _, word in words]
    _, unknown = get_args_parser().parse_known_args(sys.argv[1:])
    if unknown:
        raise ValueError(f"{unknown[0]}: no such option; write settings as KEY=VALUE")
    # Without it Hydra prints its own 3 to 10 lines and exits with 1 where its door should raise.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # Bars of libraries that load weights would stand between our own lines.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    def guarded_task(config: DictConfig) -> None:
        code = guarded(lambda: task(config))
        if code:
            sys.exit(code)

    app = hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config_name)
    app(guarded_task)()


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain resolved values; raises ValueError for a key that still needs a value."""
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ValueError(f"{missing[0]}: a value is needed; write {missing[0]}=...")
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))


def guarded(main: Callable[[], object]) -> int:
    """Run `main` and return the exit code: 0, or 2 after one line on stderr for a user's mistake.

    Anything else passes through with its traceback; Python then exits with 1.
    """
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our lines has enough (`| head`); Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        return report_mistake(error)
    except RunFailed as failed:
        if _is_full(failed.__cause__):
            return report_full_disk(failed.__cause__)
        if not isinstance(failed.__cause__, ValueError):
            raise
        return report_mistake(failed.__cause__)
    except OSError as error:
        if not _is_full(error):
            raise
        return report_full_disk(error)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        print("interrupted; the same command continues where this stopped", file=sys.stderr)
        return 130
    return 0


def report_mistake(error: Exception) -> int:
    """Print the one line for a user's mistake and return its exit code.

    With DRAWBENCH_EVAL_TRACEBACK=1 in the environment the traceback comes before it.
    """
    if os.environ.get("DRAWBENCH_EVAL_TRACEBACK") == "1":
        traceback.print_exception(error)
    print(f"error: {explain.one_line(error, _known_keys, _known_options)}", file=sys.stderr)
    return 2


def _is_full(error: BaseException | None) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def report_full_disk(error: OSError) -> int:
    """Print the one line for a full disk and return its exit code. Files appear whole or not at all."""
    where = f"{error.filename}: " if error.filename else ""
    print(
        f"error: {where}{error.strerror}; what is written is whole, and the same command continues from it",
        file=sys.stderr,
    )
    return 1


def _known_options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


def _known_keys() -> list[str]:
    """The dotted keys of the verb in sys.argv[0], with the groups that its words choose."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            config = compose(sys.argv[0].split()[-1], [word for word in sys.argv[1:] if _chooses_group(word)])
    except HydraException:
        return []
    return dotted_keys(cast(Mapping[str, Any], OmegaConf.to_container(config, resolve=False)))


def _chooses_group(word: str) -> bool:
    """Whether it is an override such as model=folder, of an option that there is."""
    group, _, option = word.partition("=")
    return option.isidentifier() and (conf_folder() / group / f"{option}.yaml").is_file()


def dotted_keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """All keys of a nested mapping, dotted, groups and leaves."""
    keys: list[str] = []
    for key, value in config.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, Mapping):
            keys += dotted_keys(value, f"{prefix}{key}.")
    return keys
