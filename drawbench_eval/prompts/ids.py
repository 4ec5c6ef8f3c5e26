"""Ids of prompts that come without one: made of the text, so that they outlive a copy's order of rows."""

import re
import unicodedata
from collections.abc import Sequence

from drawbench_eval.files import sha256_bytes

# 48 bits: two different texts among 30,000 meet once in 600,000 such sets; a number then tells them apart.
_DIGITS = 12


def text_ids(texts: Sequence[str], categories: Sequence[str]) -> list[str]:
    """One id a prompt: `text-` and the first 12 hex digits of the SHA-256 of its text, as UTF-8.

    The text is taken in Unicode's composed form (NFC), its outer white space cut and every inner run of it
    made one space: copies differ in such things and still hold the same prompt. Where a text repeats, the
    first keeps the plain id and the others end in -2, -3, ..., counted through the categories in the order of
    their names, and within one category in the order of the rows.
    """
    plain = [_hash(text) for text in texts]
    ids = list(plain)
    number: dict[str, int] = {}
    for index in sorted(range(len(texts)), key=lambda index: (categories[index], index)):
        count = number[plain[index]] = number.get(plain[index], 0) + 1
        if count > 1:
            ids[index] = f"{plain[index]}-{count}"
    return ids


def _hash(text: str) -> str:
    composed = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()
    return f"text-{sha256_bytes(composed.encode('utf-8'))[:_DIGITS]}"
