"""The key of a survey: what each trial's code stands for. It stays with whoever asks, away from raters."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from drawbench_eval.files import digest, write_json
from drawbench_eval.ratings.schema import SAMPLES_SEPARATOR
from drawbench_eval.ratings.shown import ShownImages, as_shown
from drawbench_eval.ratings.survey.choose import LeftOut
from drawbench_eval.ratings.survey.trials import Batch, Side, Survey, Trial

_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class KeyTrial:
    """One trial by its code. `model_b` and `sample_ids_b` are None where one image is judged alone."""

    code: str
    prompt_id: str
    category: str | None
    model_a: str
    sample_ids_a: str
    model_b: str | None
    sample_ids_b: str | None
    control_answer: str | None


@dataclass(frozen=True, kw_only=True)
class KeyBatch:
    """One batch: its id, what was asked, and its trials."""

    id: str
    wording: str
    question: str
    trials: tuple[KeyTrial, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    """A survey by its id, which is of its `settings`: what it was made of and with.

    `images`: whose sample -> SHA-256 of its file, for every image that raters see.
    """

    survey_id: str
    settings: Mapping[str, Any]
    images: ShownImages
    left_out: tuple[LeftOut, ...]
    batches: tuple[KeyBatch, ...]


def survey_id(settings: Mapping[str, Any]) -> str:
    """10 hex digits that tell surveys apart."""
    return digest(settings)[:10]


def key_of(survey: Survey, settings: Mapping[str, Any]) -> Key:
    """The key. Raises ValueError for a sample id that holds the mark that parts sample ids."""
    return Key(
        survey_id=survey_id(settings),
        settings=settings,
        images=_images(survey),
        left_out=survey.left_out,
        batches=tuple(_key_batch(batch) for batch in survey.batches),
    )


def write_key(path: Path, key: Key) -> None:
    """Writes it as JSON, atomically."""
    write_json(path, {"schema_version": _VERSION, **asdict(key)})


def read_key(path: Path) -> Key:
    """The key that `write_key` wrote. Raises ValueError, naming file and part, where it is none."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); name the key.json of a survey"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}); name the key.json of a survey") from error
    try:
        if about["schema_version"] != _VERSION:
            raise ValueError(f"schema_version {about['schema_version']!r}; this version reads {_VERSION}")
        batches = tuple(
            KeyBatch(
                id=str(batch["id"]),
                wording=str(batch["wording"]),
                question=str(batch["question"]),
                trials=tuple(KeyTrial(**_known(KeyTrial, trial)) for trial in batch["trials"]),
            )
            for batch in about["batches"]
        )
        left_out = tuple(LeftOut(**_known(LeftOut, one)) for one in about["left_out"])
        return Key(
            survey_id=str(about["survey_id"]),
            settings=about["settings"],
            images=as_shown(about["images"]),
            left_out=left_out,
            batches=batches,
        )
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]} is not there; name the key.json of a survey") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a survey's key ({error})") from error


def _images(survey: Survey) -> ShownImages:
    found: dict[str, dict[str, str]] = {}
    for image in survey.images:
        found.setdefault(image.contestant, {})[image.sample.sample_id] = image.sample.sha256
    return {name: dict(sorted(samples.items())) for name, samples in sorted(found.items())}


def _known(cls: type[KeyTrial] | type[LeftOut], about: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: about[field.name] for field in fields(cls)}


def _key_batch(batch: Batch) -> KeyBatch:
    return KeyBatch(
        id=batch.id,
        wording=batch.wording.name,
        question=batch.wording.question,
        trials=tuple(_key_trial(trial) for trial in batch.trials),
    )


def _key_trial(trial: Trial) -> KeyTrial:
    a, b = trial.sides[0], trial.sides[1] if len(trial.sides) == 2 else None
    return KeyTrial(
        code=trial.code,
        prompt_id=trial.prompt.id,
        category=trial.prompt.category or None,
        model_a=a.model,
        sample_ids_a=_sample_ids(a),
        model_b=None if b is None else b.model,
        sample_ids_b=None if b is None else _sample_ids(b),
        control_answer=trial.control_answer,
    )


def _sample_ids(side: Side) -> str:
    ids = [image.sample.sample_id for image in side.images]
    for sample_id in ids:
        if SAMPLES_SEPARATOR in sample_id:
            raise ValueError(
                f"sets: sample id {sample_id!r} of {side.model} holds {SAMPLES_SEPARATOR!r}, which parts the "
                "ids of a set in ratings; rename it"
            )
    return SAMPLES_SEPARATOR.join(ids)
