"""Laws of how tables are written."""

import csv
import io

from reports.statistics import summarise
from reports.tables import (
    latex_text,
    markdown_text,
    percent,
    plus_minus,
    table,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
)


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
    shown = table("t", "a_b", ("Class",), [("metal_nut",)], [])
    assert r"metal\_nut \\" in to_latex(shown)
    assert r"\caption{a\_b}" in to_latex(shown)


def test_markdown_neutralises_pipes_and_tags():
    assert markdown_text("a|<script>") == r"a\|&lt;script>"


def test_markdown_rows_have_one_cell_per_column():
    shown = table("t", "", ("Class", "x"), [("a", "1"), ("b", "2")], [])
    assert to_markdown(shown).splitlines() == [
        "| Class | x |",
        "| :-- | --: |",
        "| a | 1 |",
        "| b | 2 |",
    ]


def test_csv_keeps_full_precision_and_leaves_missing_numbers_empty():
    shown = table("t", "", ("x",), [("0.33",)], [{"x": 1 / 3, "y": None}])
    (line,) = csv.DictReader(io.StringIO(to_csv(shown)))
    assert float(line["x"]) == 1 / 3
    assert line["y"] == ""


def test_text_aligns_numbers_right():
    shown = table("t", "", ("Class", "Mean"), [("a", "9.00"), ("bottle", "10.00")], [])
    assert to_text(shown).splitlines()[2:] == ["a        9.00", "bottle  10.00"]
