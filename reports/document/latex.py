"""A table in LaTeX."""

import re
import unicodedata

from orchestration.plain import one_line
from reports.document.parts import Cell, Table

_SIGNS = {
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
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "√": r"$\surd$",
    "‖": r"$\|$",
    "°": r"$^\circ$",
    "²": "$^2$",
    "³": "$^3$",
    "½": r"$\frac{1}{2}$",
    "₀": "$_0$",
    "µ": r"$\mu$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "\t": " ",
    "\u00a0": "~",
    # After the end of a row, these would be an argument of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_GREEK = re.compile(
    "GREEK (SMALL|CAPITAL) LETTER "
    "(ALPHA|BETA|GAMMA|DELTA|EPSILON|ZETA|ETA|THETA|IOTA|KAPPA|LAMDA|MU|NU|XI|PI|RHO|SIGMA|TAU|"
    "UPSILON|PHI|CHI|PSI|OMEGA)"
)
_OWN_CAPITALS = {"Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"}
"""Greek capitals that do not look like Latin ones: LaTeX has commands for these only."""
_LAST_LATIN = "\u017f"
"""Letters up to here are set by every LaTeX that reads UTF-8."""


def to_latex(shown: Table) -> str:
    """A `table` with `booktabs` rules."""
    columns = "".join("l" if i in shown.text_columns else "r" for i in range(len(shown.header)))
    lines = [
        r"% needs \usepackage[T1]{fontenc} and \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(shown.caption)}}}",
        rf"\label{{tab:{shown.name}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(latex_text(h) for h in shown.header) + r" \\",
        r"\midrule",
        *[" & ".join(map(_cell, row)) + r" \\" for row in shown.rows],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Text with every character that LaTeX would read as a command escaped, on one line: an empty
    one would end the paragraph, and with it the table."""
    return "".join(map(_sign, one_line(text)))


def _sign(mark: str) -> str:
    if mark in _SIGNS:
        return _SIGNS[mark]
    greek = _GREEK.fullmatch(unicodedata.name(mark, ""))
    if greek:
        return _greek(*greek.groups())
    # Other scripts need fonts that nobody can promise; without them nothing would be compiled.
    known = mark.isascii() or (mark.isalpha() and mark <= _LAST_LATIN)
    return mark if known else rf"\texttt{{U+{ord(mark):04X}}}"


def _greek(size: str, letter: str) -> str:
    name = letter.lower().replace("lamda", "lambda")
    if size == "SMALL":
        return rf"$\{name}$"
    return rf"$\{name.title()}$" if name.title() in _OWN_CAPITALS else letter[0]


def _cell(cell: Cell) -> str:
    said = cell.note.replace("\n", "; ")
    return latex_text(cell.text) + (rf" {{\footnotesize ({latex_text(said)})}}" if said else "")
