"""Laws of the document model: what holds for every report, whatever it says."""

import csv
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from reports.document import Document, Layout, Section, Text, Written, computed, table, write
from reports.document.csv import sources_in
from reports.document.latex import PACKAGES, latex_text
from tests.reports.document.conftest import csv_of

VOID = {"meta", "img", "input", "br"}


@pytest.fixture(scope="module")
def written(document: Document, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(document, tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def page(written: Written) -> str:
    return written.html.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Start tags with their attributes; says where elements are not closed in order."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")


def test_text_cannot_become_markup_in_html(page: str, document: Document, evil: str) -> None:
    elements = Elements(page)
    assert not elements.wrong and not elements.open
    assert [tag for tag, _ in elements.found].count("script") == 2  # our own two
    assert not re.search(r"<script>x\(\)|</td> #t", page)
    # Everywhere that it was said, it can be read.
    assert page.count("&lt;script&gt;x()&lt;/script&gt; &amp; &#34;q&#34;") > 25


def test_text_cannot_become_markup_in_markdown(written: Written) -> None:
    text = written.markdown.read_text(encoding="utf-8")
    outside_code = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert "<script" not in outside_code
    assert not re.search(r"(?<!\\)[`|*_]i|(?<!\\)\[l\]", outside_code)


def test_a_paragraph_cannot_become_a_list_or_a_quotation(tmp_path: Path) -> None:
    begun = ("- x", "+ x", "1. x", "> x")
    sections = (Section("S", tuple(Text(words) for words in begun)),)
    made = write(Document("t", "s", "1) q", (), sections, ""), tmp_path)
    lines = made.markdown.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.endswith((" x", " q"))] == [
        *("1\\) q", "\\- x", "\\+ x", "1\\. x", "\\> x"),
    ]


def test_headings_are_in_order(page: str) -> None:
    levels = [int(tag[1]) for tag, _ in Elements(page).found if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert max(levels) == 4


def test_ids_are_unique_and_the_contents_lead_to_sections(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert len(ids) == len(set(ids))
    contents = page[page.index("<nav") : page.index("</nav>")]
    assert re.findall(r'href="#([^"]*)"', contents) == [
        *("section-same-name", "section-script-x-script-q-p-c-b-l-u-i-frac-1-2-td-t"),
        "section-same-name-2",
    ]


def test_every_figure_is_svg_and_png_and_says_title_unit_and_n(
    written: Written, page: str, document: Document
) -> None:
    folder = written.html.parent / "figures"
    assert len(document.figures) == 3
    for figure in document.figures:
        assert (folder / f"{figure.name}.svg").read_text().startswith("<?xml")
        with Image.open(folder / f"{figure.name}.png") as image:
            assert image.format == "PNG"
        assert f'id="figure-{figure.name}"' in page
    assert page.count("[%], n = 2 trials.</strong> Caption") == 3


def test_every_picture_has_words_for_those_who_do_not_see_it(page: str) -> None:
    for tag, attributes in Elements(page).found:
        if tag == "img":
            assert attributes["alt"] and (attributes["src"] or "").startswith("data:image/png;")
        if attributes.get("role") == "img":
            assert attributes["aria-label"]


def test_a_table_is_read_back_from_its_csv_file(written: Written, document: Document) -> None:
    with (written.html.parent / "tables" / "numbers.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == [document.title, "'=1+1", "z"]
    assert [line["value"] for line in lines] == [repr(1 / 3), "", "-0.1"]


def test_every_line_of_a_table_says_where_it_comes_from(
    written: Written, document: Document
) -> None:
    for shown in document.tables:
        text = (written.html.parent / "tables" / f"{shown.name}.sources.json").read_text()
        found = sources_in(text)
        assert found == [line.source for line in shown.lines]
        assert len(found) == len(csv_of(shown).splitlines()) - 1
    (numbers,) = (shown for shown in document.tables if shown.name == "numbers")
    assert [line.source.trials for line in numbers.lines] == [
        *(("a" * 20,), ("a" * 20, "b" * 20), ("a" * 20, "b" * 20)),
    ]


def test_every_number_of_a_page_names_its_source(page: str) -> None:
    elements = Elements(page).found
    numbers = [a for tag, a in elements if tag == "td" and a.get("class") == "number"]
    spans = [a for tag, a in elements if tag == "span" and a.get("class") == "sourced"]
    assert len(numbers) == 3 and len(spans) == 3
    assert all("data-source" in attributes for attributes in numbers + spans)
    assert "of 2 trials, by " in str(spans[0]["title"])


def test_a_source_is_a_name_that_leads_to_a_function_and_keys_in_order() -> None:
    found = computed(computed, ["b", "a", "b"])
    assert (found.function, found.trials) == ("reports.document.parts.computed", ("a", "b"))


def test_two_writes_give_the_same_bytes(document: Document, tmp_path: Path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        write(document, folder)
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "other") and len(first) == 17


def test_two_parts_cannot_share_a_file(tmp_path: Path) -> None:
    twice = table("same", "c", ("a",), [("1",)], [{"a": 1}], computed(table))
    with pytest.raises(AssertionError, match=r"same\.csv"):
        write(Document("t", "s", "q", (twice, twice), (), ""), tmp_path)


def test_files_stand_where_the_layout_says(document: Document, tmp_path: Path) -> None:
    write(document, tmp_path, Layout(tables="", figures=""))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="numbers.csv"' in page and 'href="one.svg"' in page


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_tables_compile_in_latex(written: Written, tmp_path: Path, evil: str) -> None:
    tables = sorted((written.html.parent / "tables").glob("*.tex"))
    assert tables
    body = "\n".join(rf"\input{{{path}}}" for path in tables)
    letters = latex_text("ΔW αβγ ‖μ − μ₀‖² ≥ ½ “Größe” 中文 \u0007 é ° √x ≈ … – — Ω Α")
    source = (
        rf"\documentclass{{article}}{PACKAGES}\begin{{document}}{letters} {body}\end{{document}}"
    )
    (tmp_path / "all.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert "Overfull" not in ran.stdout and "Float too large" not in ran.stdout


def test_latex_holds_nothing_that_a_plain_latex_cannot_set() -> None:
    text = latex_text("ΔW λ Ω Α 中 ½ ’ “x” é")
    assert text == r"$\Delta$W $\lambda$ $\Omega$ A \texttt{U+4E2D} $\frac{1}{2}$ ' ``x'' é"


def test_an_empty_table_says_so(page: str) -> None:
    assert re.search(r'id="table-none">Nothing .*: none\.', page)


def test_the_csv_of_a_table_without_lines_has_its_columns() -> None:
    shown = table("t", "", ("A",), (), (), computed(table), fields=("a", "=b"))
    assert csv_of(shown) == "a,'=b\n"
