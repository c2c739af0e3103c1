"""Laws of how tables are written."""

import csv
import io
import tracemalloc
from pathlib import Path

from reports.digits import percent, plus_minus
from reports.document import Line, Lines, Table, computed, table
from reports.document.csv import sources_in, to_text, write_csv
from reports.document.latex import latex_text, to_latex
from reports.document.markdown import markdown_text, to_pipes
from reports.statistics import summarise
from tests.reports.document.conftest import csv_of


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
    (line,) = csv.DictReader(io.StringIO(csv_of(shown)))
    assert float(line["x"]) == 1 / 3
    assert line["y"] == ""


def test_text_aligns_numbers_right():
    shown = made(("Class", "Mean"), [("a", "9.00"), ("bottle", "10.00")])
    assert to_text(shown).splitlines()[2:] == ["a        9.00", "bottle  10.00"]


def test_lines_go_to_a_tables_file_as_they_come_and_are_not_kept(tmp_path: Path):
    source, place = computed(made), tmp_path / "lines.csv"

    def written(count: int) -> int:
        """Bytes of memory at most."""
        lines = Lines(
            lambda: (Line({"name": f"n{i % 5}", "x": i / 3}, source) for i in range(count))
        )
        shown = table("t", "", (), (), lines, source, fields=("name", "x"))
        tracemalloc.start()
        with place.open("w") as out, (tmp_path / "sources.json").open("w") as sources:
            write_csv(shown, out, sources)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    some, many = written(8_000), written(24_000)
    assert many < 1.1 * some
    with place.open() as file:
        assert [float(line["x"]) for line in csv.DictReader(file)] == [i / 3 for i in range(24_000)]
    assert sources_in((tmp_path / "sources.json").read_text()) == [source] * 24_000
