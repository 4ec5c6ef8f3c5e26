from drawbench_eval.report.latex import escaped, to_latex
from drawbench_eval.report.tables import Cell, Table


def test_nothing_in_a_text_is_a_command():
    assert escaped(r"50 % of a_b & c^2 {x} \y $ # ~") == (
        r"50 \% of a\_b \& c\textasciicircum{}2 \{x\} \textbackslash{}y \$ \# \textasciitilde{}"
    )
    assert escaped("\u22120.5 ↑ ±1 – <") == r"$-$0.5 $\uparrow$ $\pm$1 -- $<$"


def test_a_table_is_a_tabular_with_rules_and_gaps_between_groups():
    rows = tuple(
        (Cell(text=name, key=name), Cell(text=f"{value}", detail="0 to 9", key=float(value)))
        for name, value in (("a", 1), ("a", 2), ("b", 3))
    )
    table = Table(columns=("Curve", "Score"), notes=("", "↑ cosine"), rows=rows, grouped=True)
    assert to_latex(table, "All\npoints.").splitlines() == [
        "% All points.",
        r"% needs \usepackage{booktabs}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"Curve & Score \\",
        r" & $\uparrow$ cosine \\",
        r"\midrule",
        r"a & 1 [0 to 9] \\",
        r"a & 2 [0 to 9] \\",
        r"\addlinespace",
        r"b & 3 [0 to 9] \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
