"""A table, and its forms: HTML (by a template), Markdown, plain text, CSV and LaTeX."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.plain import cell, one_line
from reports.statistics import Summary

DASH = "–"
"""Stands where there is no number; never 0."""

Value = str | int | float | None


@dataclass(frozen=True)
class Cell:
    """What is shown in one place of a table."""

    text: str
    note: str = ""
    """Smaller, below the text; may have several lines."""


@dataclass(frozen=True)
class Table:
    """What is shown, and the same numbers in full for other programs."""

    name: str
    """File name below `tables/`, without its ending."""
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    data: tuple[Mapping[str, Value], ...]
    """Tidy lines for the CSV file, at full precision, fractions of 1."""
    text_columns: int = 1
    """Leading columns that hold text; the others hold numbers and are aligned right."""


def table(
    name: str,
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    data: Sequence[Mapping[str, Value]],
    text_columns: int = 1,
) -> Table:
    """A table from cells or plain texts."""
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Table(name, caption, tuple(header), cells, tuple(data), text_columns)


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent; a dash for a missing number."""
    if value is None:
        return DASH
    text = f"{100 * value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def plus_minus(summary: Summary | None) -> str:
    """Mean ± sample standard deviation in percent; `± –` where n = 1."""
    if summary is None:
        return DASH
    return f"{percent(summary.mean)} ± {percent(summary.sd)}"


def low_to_high(summary: Summary | None) -> str:
    """Smallest to largest in percent."""
    return f"{percent(summary.low)} to {percent(summary.high)}" if summary else DASH


def numbers(summary: Summary | None) -> dict[str, Value]:
    """A summary's fields for a CSV file."""
    if summary is None:
        return {"n": 0, "mean": None, "sd": None, "min": None, "max": None}
    return {
        "n": summary.n,
        "mean": summary.mean,
        "sd": summary.sd,
        "min": summary.low,
        "max": summary.high,
    }


def to_csv(shown: Table) -> str:
    """The table's data; a missing number is an empty field, and no text is a formula."""
    out = io.StringIO()
    fields = list(dict.fromkeys(key for line in shown.data for key in line))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(cell, fields))
    for line in shown.data:
        writer.writerow(["" if line.get(key) is None else cell(line[key]) for key in fields])
    return out.getvalue()


def to_markdown(shown: Table) -> str:
    """A pipe table; text from the study cannot become markup."""
    left, total = shown.text_columns, len(shown.header)
    lines = [_pipe(markdown_text(h) for h in shown.header)]
    lines.append(_pipe(":--" if i < left else "--:" for i in range(total)))
    for row in shown.rows:
        cells = (c.text + (f" ({_one_line(c.note)})" if c.note else "") for c in row)
        lines.append(_pipe(markdown_text(text) for text in cells))
    return "\n".join(lines)


def to_text(shown: Table) -> str:
    """Aligned columns for a terminal."""
    rows = [list(shown.header), *[[one_line(part.text) for part in row] for row in shown.rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(shown.header))]
    lines = [
        "  ".join(
            text.ljust(width) if i < shown.text_columns else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def to_latex(shown: Table) -> str:
    """A `table` with `booktabs` rules."""
    left, total = shown.text_columns, len(shown.header)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(shown.caption)}}}",
        rf"\label{{tab:{shown.name}}}",
        rf"\begin{{tabular}}{{{'l' * left}{'r' * (total - left)}}}",
        r"\toprule",
        " & ".join(latex_text(h) for h in shown.header) + r" \\",
        r"\midrule",
        *[" & ".join(map(_latex_cell, row)) + r" \\" for row in shown.rows],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_LATEX = {
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
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\rightarrow$",
    "–": "--",
    "…": r"\dots{}",
    # After the end of a row, these would be an argument of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_MARKDOWN = {"&": "&amp;", "<": "&lt;", "\n": " "} | {mark: "\\" + mark for mark in "\\|*`[]"}


def latex_text(text: str) -> str:
    """Text with every character that LaTeX would read as a command escaped, on one line: an empty
    one would end the paragraph, and with it the table."""
    return "".join(_LATEX.get(mark, mark) for mark in one_line(text))


def markdown_text(text: str) -> str:
    """Text that Markdown and the HTML within it leave as it is, on one line."""
    return "".join(_MARKDOWN.get(mark, mark) for mark in one_line(text))


def _latex_cell(cell: Cell) -> str:
    note = rf" {{\footnotesize ({latex_text(_one_line(cell.note))})}}" if cell.note else ""
    return latex_text(cell.text) + note


def _one_line(note: str) -> str:
    return note.replace("\n", "; ")


def _pipe(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
