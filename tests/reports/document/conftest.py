"""A document that has every kind of part, with names that are markup everywhere."""

import io

import pytest
from matplotlib.figure import Figure as Canvas
from PIL import Image

from moleflow.drawing import house_style
from reports.document import (
    Cell,
    Code,
    Document,
    Facts,
    Figure,
    Fold,
    Gallery,
    Line,
    Listed,
    Number,
    Picture,
    Section,
    Strip,
    Table,
    Text,
    computed,
    drawn,
    note,
    table,
)
from reports.document.csv import write_csv

EVIL = "<script>x()</script> & \"q\" 'p' `c` *b* [l](u) |_i_| $\\frac{1}{2}$ </td> #t"
KEYS = ("a" * 20, "b" * 20)


def made() -> None:
    """What the numbers of these tests are computed by."""


SOURCE = computed(made, KEYS)


def plot(name: str) -> Figure:
    with house_style():
        canvas = Canvas(figsize=(2, 1))
        ax = canvas.add_subplot()
        ax.plot([1, 2], [3, 4])
        ax.set_title(EVIL)
    return drawn(canvas, name, f"Title {EVIL}", "%", "2 trials", f"Caption {EVIL}")


def whole(evil: str) -> Document:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(picture, "png")
    number = Number("1.50 %", SOURCE)
    lines = [
        Line({"name": evil, "value": 1 / 3}, computed(made, KEYS[:1])),
        Line({"name": "=1+1", "value": None}, SOURCE),
        Line({"name": "z", "value": -0.1}, SOURCE),
    ]
    rows = [(evil, Cell("33.33", evil)), ("=1+1", Cell("–")), ("z", Cell("−10.00"))]
    shown = table("numbers", f"Numbers {evil}", ("Name", f"Value {evil}"), rows, lines, SOURCE)
    blocks = (
        Text((f"Words {evil} ", number, ".")),
        note(evil),
        Text(evil, "bad"),
        Listed((evil, (number,))),
        Facts(((evil, evil),)),
        Code(f"{evil}\n# line"),
        shown,
        table("long", f"Long {evil}", (), (), [{"x": 1}], SOURCE),
        table("none", f"Nothing {evil}", ("a",), (), (), SOURCE),
        plot("one"),
        Gallery((plot("two"), plot("three"))),
        Strip("strip", evil, evil, ((evil, (Picture(evil, picture.getvalue()),)),)),
        Fold(evil, (Text(evil),)),
        Section(evil, (Section("Deeper", (Text("x"),)),)),
    )
    return Document(
        title=evil,
        subject=f"Subject {evil}",
        question=evil,
        answer=(Text((evil, number)),),
        sections=(Section("Same name", blocks), Section("Same name", (Text("again"),))),
        headline=evil,
        warnings=(evil,),
        end=evil,
        beside=((evil, "other/index.html"),),
    )


@pytest.fixture(scope="session")
def evil() -> str:
    """Markup in every language that we write."""
    return EVIL


@pytest.fixture(scope="session")
def document() -> Document:
    return whole(EVIL)


def csv_of(shown: Table) -> str:
    """Its file of lines."""
    lines = io.StringIO()
    write_csv(shown, lines, io.StringIO())
    return lines.getvalue()
