"""The held-out table: which combinations are withheld, and from whom.

`validation` combinations are withheld from the text corpus, the generator and the scorers; training is
stopped and settings are chosen on them, and the suite's category "Conflicting" asks for them (so the
reference, which is rendered from the evaluation captions, shows them there and nowhere else).
`test` combinations are withheld from all four, the reference included, and are evaluated once.
`RARE_WORDS` stand in the text corpus only: the generator and the scorers never see them in a caption, so
what they mean can only come from the text encoder.
"""

from __future__ import annotations

from drawbench_eval.scenes.facts import OPPOSITE

VALIDATION_PAIRS = frozenset(
    {("red", "star"), ("orange", "square"), ("green", "ring"), ("blue", "triangle"), ("pink", "circle")}
)
TEST_PAIRS = frozenset(
    {("yellow", "cross"), ("purple", "star"), ("cyan", "square"), ("red", "ring"), ("green", "triangle")}
)

# (shape, relation, shape), in this order of speaking; the mirrored sentence is withheld with it.
VALIDATION_RELATIONS = frozenset({("star", "above", "square"), ("ring", "left of", "triangle")})
TEST_RELATIONS = frozenset({("circle", "below", "cross"), ("triangle", "right of", "star")})

# (count, shape)
VALIDATION_COUNTS = frozenset({(3, "star"), (4, "square")})
TEST_COUNTS = frozenset({(3, "ring"), (2, "cross")})

RARE_WORDS = {
    "crimson": "red",
    "azure": "blue",
    "emerald": "green",
    "violet": "purple",
    "disc": "circle",
    "annulus": "ring",
    "pentagram": "star",
}


def is_withheld_pair(color: str | None, shape: str | None) -> bool:
    """Whether this colour and shape never appear together in anything trained on."""
    return (color, shape) in VALIDATION_PAIRS | TEST_PAIRS


def is_withheld_relation(a: str | None, relation: str, b: str | None) -> bool:
    """Whether two shapes never stand so in anything trained on, said either way round."""
    withheld = VALIDATION_RELATIONS | TEST_RELATIONS
    return (a, relation, b) in withheld or (b, OPPOSITE[relation], a) in withheld


def is_withheld_count(count: int, shape: str | None) -> bool:
    """Whether this many of this shape never appear in anything trained on."""
    return (count, shape) in VALIDATION_COUNTS | TEST_COUNTS


def table() -> list[dict[str, str]]:
    """The table as rows: what is withheld, in which set, and from whom."""
    rows: list[dict[str, str]] = []
    everyone = "text corpus, generator, scorers"
    for name, withheld_from, pairs, relations, counts in (
        ("validation", everyone, VALIDATION_PAIRS, VALIDATION_RELATIONS, VALIDATION_COUNTS),
        ("test", f"{everyone}, reference", TEST_PAIRS, TEST_RELATIONS, TEST_COUNTS),
    ):
        items = [f"{color} {shape}" for color, shape in sorted(pairs)]
        items += [f"{a} {relation} {b}" for a, relation, b in sorted(relations)]
        items += [f"{count} x {shape}" for count, shape in sorted(counts)]
        rows += [{"set": name, "what": item, "withheld_from": withheld_from} for item in items]
    rows += [
        {"set": "rare word", "what": f"{word} ({meaning})", "withheld_from": "generator, scorers"}
        for word, meaning in RARE_WORDS.items()
    ]
    return rows
