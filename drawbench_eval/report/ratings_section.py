"""Human ratings in a report: a section of tables and figures, and sentences for its answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from drawbench_eval.analysis.ratings_document import Entry, RatingsDocument
from drawbench_eval.report.blocks import (
    Block,
    Bullets,
    DataTable,
    Pairs,
    Paragraph,
    Section,
)
from drawbench_eval.report.numbers import fixed
from drawbench_eval.report.ratings_figures import num_figures, ratings_figures
from drawbench_eval.report.ratings_tables import (
    MOST_LINES,
    choices_table,
    clustered,
    comparisons_table,
    metrics_table,
    rankings_table,
    values_table,
)
from drawbench_eval.report.tables import Table

TITLE = "Human ratings"
_NUM_SENTENCES = 4
_NUM_OF_A_KIND = 3

_OF_CHOICES = (
    "Which of two sets raters preferred, of all judgements. In small print 95 % intervals clustered by "
    "prompt and rater. The paper does not say how its bars count the indifferent, so both ways are here."
)
_OF_VALUES = (
    "What raters said of single sets, of all judgements. Believe the clustered interval; the other takes "
    "judgements as independent."
)
_OF_TESTS = (
    "Differences over all prompts, first minus second: of choices the share of the first minus that of the "
    "second, else of means. p is corrected by Holm within its family."
)
_OF_RANKINGS = (
    "Strengths by Davidson's model of choices with ties; 0 is the mean of the models. Ranks are those that "
    "each model may have."
)
_OF_SCORES = (
    "How well scores follow the raters, in small print 95 % intervals that resample prompts. 1 is the same "
    "order, 0 none."
)
_TABLES: tuple[tuple[str, Callable[[RatingsDocument], Table | None], str], ...] = (
    ("choices", choices_table, _OF_CHOICES),
    ("values", values_table, _OF_VALUES),
    ("tests", comparisons_table, _OF_TESTS),
    ("rankings", rankings_table, _OF_RANKINGS),
    ("scores", metrics_table, _OF_SCORES),
)


def ratings_section(documents: Sequence[RatingsDocument]) -> Section:
    """Tables and figures of every document, not yet numbered; empty without documents."""
    blocks: list[Block] = []
    for index, document in enumerate(documents, start=1):
        blocks += _blocks(document, "ratings" if len(documents) == 1 else f"ratings-{index}")
    return Section(title=TITLE, blocks=tuple(blocks))


def ratings_sentences(documents: Sequence[RatingsDocument]) -> tuple[str, ...]:
    """What raters preferred on the whole, for the first few questions and pairs."""
    said = [_sentence(row) for document in documents for row in document.shown("results") if _is_overall(row)]
    return tuple(said[:_NUM_SENTENCES])


def _is_overall(row: Entry) -> bool:
    """Whether it is a rate of all prompts: of a pair with the indifferent as half, or against photographs."""
    rate = row["statistic"] == "preference_rate" or row["convention"] == "split"
    return rate and row["category"] is None and row["average"] == "micro" and row["value"] is not None


def _sentence(row: Entry) -> str:
    low, high = (fixed(100 * bound, 1) for bound in clustered(row))
    shown = f"{fixed(100 * row['value'], 1)} %"
    interval = f"95 % interval {low} to {high}, {row['n']} judgements"
    if row["statistic"] == "preference_rate":
        return f"Raters took {row['model']} for the more real one ({row['question']}) in {shown}: {interval}."
    a, b = row["pair"]
    return (
        f"Asked about {row['question']}, raters preferred {a} to {b} in {shown} of judgements, with the "
        f"indifferent counted as half: {interval}."
    )


def _blocks(document: RatingsDocument, prefix: str) -> Iterator[Block]:
    yield Paragraph(text=f"{document.name}: {_who(document)}")
    yield Paragraph(text=_images(document), muted=True)
    for name, make, caption in _TABLES:
        table = make(document)
        if table is not None:
            is_cut = len(table.rows) == MOST_LINES
            cut = f" The first {MOST_LINES} lines; ratings.json has all." if is_cut else ""
            yield DataTable(name=f"{prefix}-{name}", caption=caption + cut, table=table)
    shown = ratings_figures(document.values, of_a_kind=_NUM_OF_A_KIND)
    for figure in shown:
        yield replace(figure, name=f"{prefix}-{figure.name}")
    left = num_figures(document.values) - len(shown)
    if left:
        yield Paragraph(
            text=f"{left} further figures are among those that drawbench-eval ratings wrote.", muted=True
        )
    agreement = tuple(_agreement(document))
    if agreement:
        yield Bullets(items=agreement)
    absent = document.shown("not_offered")
    if absent:
        said = [f"No {one['what']} of {one['question']}: {one['reason']}." for one in absent]
        yield Bullets(items=tuple(("", text) for text in said), muted=True)
    yield Pairs(title=f"Where the ratings {document.name} come from", items=tuple(_origin(document)))


def _who(document: RatingsDocument) -> str:
    counts, raters = document.values["counts"], document.values["raters"]
    judgements = counts["accepted"] - counts["controls"]
    said = f"{judgements} judgements" + ("" if raters["num"] is None else f" of {raters['num']} raters")
    if counts["controls"]:
        said += f", and {counts['controls']} answers to control questions"
    if counts["rejected"]:
        said += f"; {counts['rejected']} of {counts['rows']} rows could not be read and are not counted"
    dropped = {entry["rater_id"] for entry in raters["dropped"]}
    if dropped:
        rules = sorted({str(entry["rule"]) for entry in raters["dropped"]})
        said += (
            f". Left out by {', '.join(rules)}: {len(dropped)} raters; what follows is of the others, and "
            "ratings.json has the results with everybody"
        )
    return f"{said}."


def _images(document: RatingsDocument) -> str:
    """Whether raters saw the images of the runs beside which these ratings stand."""
    if document.seen is None:
        return (
            "Whether raters saw the very images that are measured here is not known: no hashes of images "
            "came with these ratings, and names alone tie them to anything else on this page."
        )
    models = [model for model in document.models() if model not in document.references()]
    said = []
    for model in models:
        held = document.seen.get(model)
        if held is None:
            said.append(f"{model}: not known")
        elif not held:
            said.append(f"{model}: none of the runs here has the images that raters saw")
        else:
            of_runs = [
                f"{seen.num_same} of {seen.num_shown}" + ("" if name == model else f" in {name}")
                for name, seen in held.items()
            ]
            more = (
                f" and {len(of_runs) - _NUM_OF_A_KIND} further runs" if len(of_runs) > _NUM_OF_A_KIND else ""
            )
            said.append(f"{model}: {', '.join(of_runs[:_NUM_OF_A_KIND])}{more}")
    return f"Images that raters saw and that are measured here, by their hashes: {'; '.join(said)}."


def _agreement(document: RatingsDocument) -> Iterator[tuple[str, str]]:
    names = {
        "nominal": "Krippendorff's alpha, nominal",
        "ordinal": "ordinal",
        "interval": "interval",
        "fleiss": "Fleiss's kappa",
        "raw": "pairs of answers that agree",
    }
    for entry in document.shown("agreement"):
        if entry["model"] is not None or entry["pair"] is not None:
            continue
        said = [_measure(name, entry[key]) for key, name in names.items() if entry[key]["value"] is not None]
        repeats = entry.get("num_repeats")
        again = f"; {repeats} answers to what the rater had judged before are left out" if repeats else ""
        if said:
            yield f"Agreement on {entry['question']}.", f"{', '.join(said)}{again}."


def _measure(name: str, found: Entry) -> str:
    ci95 = found["ci95"]
    shown = f"{name} {fixed(found['value'], 3)}"
    return shown if ci95 is None else f"{shown} ({fixed(ci95[0], 3)} to {fixed(ci95[1], 3)})"


def _origin(document: RatingsDocument) -> Iterator[tuple[str, str]]:
    yield f"ratings.json of {document.name}", document.sha256
    files = document.values["files"]
    for file in files[:MOST_LINES]:
        yield file["name"], file["sha256"]
    if len(files) > MOST_LINES:
        yield "and further files", str(len(files) - MOST_LINES)
