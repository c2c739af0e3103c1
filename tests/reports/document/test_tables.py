"""Laws of how tables are written."""

import csv
import io

from reports.digits import percent, plus_minus
from reports.document import Table, computed, table
from reports.document.csv import to_csv, to_text
from reports.document.latex import latex_text, to_latex
from reports.document.markdown import markdown_text, to_pipes
from reports.statistics import summarise


def made(header: tuple[str, ...], rows: list[tuple[str, ...]], caption: str = "") -> Table:
    return table("t", caption, header, rows, [], computed(made))


def test_deviation_of_one_number_is_a_dash():
    assert plus_minus(summarise([0.5])) == "50.00 ± –"


def test_a_missing_number_is_a_dash_not_zero():
    assert plus_minus(None) == percent(None) == "–"


def test_a_rounded_zero_has_no_sign():
    assert percent(-1e-9) == "0.00"


def test_negative_numbers_carry_a_minus_sign():
    assert percent(-0.0123) == "−1.23"


def test_latex_escapes_underscores_and_commands():
    assert latex_text("metal_nut & 5 %") == r"metal\_nut \& 5 \%"
    assert latex_text("\\input{x}") == r"\textbackslash{}input\{x\}"


def test_latex_table_holds_no_bare_underscore_in_its_cells():
    text = to_latex(made(("Class",), [("metal_nut",)], "a_b"))
    assert r"metal\_nut \\" in text
    assert r"\caption{a\_b}" in text


def test_markdown_neutralises_pipes_tags_and_emphasis():
    assert markdown_text("a|<script>") == r"a\|&lt;script>"
    assert markdown_text("_a_ # ~b~") == r"\_a\_ \# \~b\~"


def test_markdown_rows_have_one_cell_per_column():
    assert to_pipes(made(("Class", "x"), [("a", "1"), ("b", "2")])).splitlines() == [
        "| Class | x |",
        "| :-- | --: |",
        "| a | 1 |",
        "| b | 2 |",
    ]


def test_csv_keeps_full_precision_and_leaves_missing_numbers_empty():
    shown = table("t", "", ("x",), [("0.33",)], [{"x": 1 / 3, "y": None}], computed(made))
    (line,) = csv.DictReader(io.StringIO(to_csv(shown)[0]))
    assert float(line["x"]) == 1 / 3
    assert line["y"] == ""


def test_text_aligns_numbers_right():
    shown = made(("Class", "Mean"), [("a", "9.00"), ("bottle", "10.00")])
    assert to_text(shown).splitlines()[2:] == ["a        9.00", "bottle  10.00"]
