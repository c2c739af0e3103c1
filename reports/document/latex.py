"""A table in LaTeX."""

import re
import unicodedata
from textwrap import wrap

from orchestration.plain import one_line
from reports.document.parts import Cell, Table, plain

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


LONG = 32
"""Letters that a line of a cell has at most."""
PACKAGES = r"\usepackage[T1]{fontenc}\usepackage{booktabs}\usepackage{graphicx}"
"""That a text needs which takes our tables."""
_NO_TALLER = (
    r"\resizebox*{!}{\ifdim\totalheight>.85\textheight.85\textheight\else\totalheight\fi}{%"
)
_NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Smaller, if it would not fit the page, which a caption shares, or the text's width."""


def to_latex(shown: Table) -> str:
    """A `table` with `booktabs` rules, no larger than a page's text."""
    sides = ["l" if i in shown.text_columns else "r" for i in range(len(shown.header))]
    end = r" \\[3pt]" if any(cell.note for row in shown.rows for cell in row) else r" \\"
    lines = [
        f"% needs {PACKAGES}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{latex_text(plain(shown.caption))}}}",
        rf"\label{{tab:{shown.name}}}",
        _NO_TALLER,
        _NO_WIDER,
        rf"\begin{{tabular}}{{{''.join(sides)}}}",
        r"\toprule",
        " & ".join(latex_text(h) for h in shown.header) + r" \\",
        r"\midrule",
        *[" & ".join(map(_cell, row, sides)) + end for row in shown.rows],
        r"\bottomrule",
        r"\end{tabular}}}",
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


def _cell(cell: Cell, side: str) -> str:
    """Long texts on several lines, and the note smaller below."""
    lines = [latex_text(line) for line in wrap(one_line(cell.text), LONG)]
    for line in cell.note.splitlines():
        lines += [rf"{{\footnotesize {latex_text(part)}}}" for part in wrap(one_line(line), LONG)]
    if len(lines) < 2:
        return "".join(lines)
    return rf"\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}" + r"\\".join(lines) + r"\end{tabular}"
