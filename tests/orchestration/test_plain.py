"""Names that came from anybody's folders are text to terminals, spreadsheets and LaTeX."""

import csv
import io
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from moleflow.predictor import Unreadable
from orchestration.commands.consoles import Terminal
from orchestration.models.predictions import ScoreLines
from orchestration.plain import cell, one_line, path_cell, uncelled, visible
from orchestration.records.events import Note
from orchestration.views.logs import event_lines
from reports.document import Source, table
from reports.document.csv import to_text
from reports.document.latex import latex_text, to_latex
from reports.document.markdown import to_pipes
from tests.reports.document.conftest import csv_of

FORMULAS = ("=cmd|'/C calc'!A0", "+1+x", "-x", "@SUM(A1)", "\t=x", " =x", "＝x", "\n=x", "'=x", "-")
NUMBERS = ("-1.5", "+3", "-2e-05", "-inf", "nan", "0", ".5")
MADE = Source("made")
ESCAPES = ("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\rb", "\u202egnp.exe", "\x00\x08")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_begins_like_a_formula_is_text_and_can_be_told_again(text: str) -> None:
    kept = cell(text)
    assert kept == f"'{text}" and uncelled(str(kept)) == text


@pytest.mark.parametrize("value", [*NUMBERS, -1.5, -3, None, "bottle", "2-1", "'quoted'", ""])
def test_numbers_and_other_text_stay_as_they_are(value: object) -> None:
    assert cell(value) == value
    assert uncelled(str(value)) == str(value)


def test_tables_for_spreadsheets_hold_no_formula() -> None:
    shown = table("t", "c", ["h"], [], [{"=name": "=1+1", "gain": -0.25}], MADE)
    assert csv_of(shown) == "'=name,gain\n'=1+1,-0.25\n"
    out = io.StringIO()
    lines = ScoreLines(out, ["=a"])
    lines.write(Unreadable(Path("-x.png"), "no\npicture"))
    rows = list(csv.reader(io.StringIO(out.getvalue())))
    assert [text for row in rows for text in row if cell(text) != text] == []
    assert rows[1] == ["./-x.png", "", "", "", "no picture"]
    assert path_cell("a/=b.png") == "a/=b.png"


def test_no_name_ends_a_row_or_a_paragraph_of_latex() -> None:
    shown = table("t", "one\n\ntwo", ["h"], [["[1pt] x"], ["*"], ["a\n\nb\x1b[31m"]], [], MADE)
    text = to_latex(shown)
    assert "\n\n" not in text and "\x1b" not in text
    for line in text.splitlines():
        assert not line.startswith(("[", "*"))
    assert latex_text("[a]") == "{[}a{]}"
    assert len(to_pipes(shown).splitlines()) == len(to_text(shown).splitlines()) == 5


@pytest.mark.parametrize("text", ESCAPES)
def test_a_terminal_shows_control_characters_and_does_not_obey_them(text: str) -> None:
    out = io.StringIO()
    terminal = Terminal(file=out, force_terminal=True, color_system=None, width=200)
    terminal.print(text, markup=False)
    terminal.print(Text(text))
    box = Table()
    box.add_row(Text(text))
    terminal.print(box)
    left = set(out.getvalue()) - {"\n"}
    assert not any(visible(mark) != mark for mark in left)


def test_what_a_terminal_is_told_by_ourselves_stays() -> None:
    out = io.StringIO()
    Terminal(file=out, force_terminal=True, color_system="standard").print("[red]x[/red]\ta\nb")
    assert "\x1b[31mx\x1b[0m" in out.getvalue() and "\nb" in out.getvalue()


def test_an_event_is_one_line_whatever_its_names() -> None:
    event = Note(time=0, note="fine\n1970-01-01 00:00:01  end: finished\x1b[2J")
    (line,) = event_lines([event])
    assert "\n" not in line and line == one_line(line)
