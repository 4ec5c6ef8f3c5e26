"""Judgements on their way into the canonical form: texts, where they stand, and what is wrong with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

# Columns beside the fields: where it stands, what was answered, and why it is refused ("" where it is not).
PLACE = ("file", "line", "record", "slot")
FAULT = ("fault_column", "fault_value", "fault_reason")


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """`frame`: a row for each, with PLACE, FAULT, `answer_column`, `answer` and the fields.

    Absent texts are "". `places`: for each slot, the columns that each field was read from.
    """

    frame: pd.DataFrame
    places: Sequence[Mapping[str, tuple[str, ...]]]

    def place(self, field: str) -> pd.Series:
        """The name of the column that `field` was read from; its own where it is not from a column."""
        if field == "answer":
            return self.frame["answer_column"]
        names = {slot: " + ".join(place.get(field, (field,))) for slot, place in enumerate(self.places)}
        return self.frame["slot"].map(names)

    @property
    def is_sound(self) -> pd.Series:
        """Those that nothing was found against so far."""
        return self.frame["fault_reason"] == ""

    def refuse(self, where: pd.Series, field: str, reason: pd.Series | str) -> None:
        """Notes a reason, and `field` as it was written, against those of `where` that have none yet."""
        new = where & self.is_sound
        if new.any():
            frame = self.frame
            written = _as_written(field) if _as_written(field) in frame else field
            frame.loc[new, "fault_column"] = self.place(field)[new]
            frame.loc[new, "fault_value"] = frame.loc[new, written]
            frame.loc[new, "fault_reason"] = reason[new] if isinstance(reason, pd.Series) else reason

    def refuse_these(self, field: str, reasons: pd.Series) -> None:
        """Notes reasons against the judgements of their index."""
        everywhere = reasons.reindex(self.frame.index, fill_value="")
        self.refuse(everywhere != "", field, everywhere)

    def settle(self, field: str, values: pd.Series) -> None:
        """Puts typed values in the place of a field's texts, which are kept for messages."""
        self.frame[_as_written(field)] = self.frame[field]
        self.frame[field] = values


def parse_each(texts: pd.Series, parse: Callable[[str], Any]) -> tuple[pd.Series, pd.Series]:
    """What `parse` makes of each text, NaN where it raises ValueError; and why it did, or ""."""
    parsed: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for text in texts.unique():
        try:
            parsed[text] = parse(text)
        except ValueError as error:
            refused[text] = str(error)
    reasons = texts.map(refused).fillna("") if refused else pd.Series("", index=texts.index, dtype=object)
    return texts.map(parsed), reasons.astype(object)


def _as_written(field: str) -> str:
    return f"{field} as written"
