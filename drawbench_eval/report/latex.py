"""Tables as LaTeX, for papers: a `tabular` with the rules of the booktabs package."""

from __future__ import annotations

from drawbench_eval.report.tables import Cell, Table

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "\u2191": r"$\uparrow$",
    "\u2193": r"$\downarrow$",
    "\u00b1": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
}


def escaped(text: str) -> str:
    """Text in which nothing is a command of LaTeX; minus signs and arrows become mathematics."""
    return "".join(_ESCAPED.get(letter, letter) for letter in text)


def to_latex(table: Table, caption: str) -> str:
    """The table as `tabular`, under a comment with its caption; a cell's small print stands in brackets."""
    numeric = [_numeric([row[index] for row in table.rows]) for index in range(len(table.columns))]
    lines = [f"% {' '.join(caption.split())}", "% needs \\usepackage{booktabs}"]
    lines.append(r"\begin{tabular}{" + "".join("r" if number else "l" for number in numeric) + "}")
    lines.append(r"\toprule")
    lines.append(_row([escaped(title) for title in table.columns]))
    if any(table.notes):
        lines.append(_row([escaped(note) for note in table.notes]))
    lines.append(r"\midrule")
    for index, row in enumerate(table.rows):
        if table.grouped and index and table.rows[index - 1][0].text != row[0].text:
            lines.append(r"\addlinespace")
        lines.append(_row([_cell(cell) for cell in row]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _cell(cell: Cell) -> str:
    return escaped(cell.text) + (f" [{escaped(cell.detail)}]" if cell.detail else "")


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _numeric(cells: list[Cell]) -> bool:
    return bool(cells) and all(
        isinstance(cell.key, int | float) and cell.text[:1] in "+-\u2212\u20130123456789" for cell in cells
    )
