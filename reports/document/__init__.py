"""A small document model: a report says what there is to say, and this package writes the pages.

One HTML page, one Markdown page, LaTeX and CSV of every table, SVG and PNG of every figure.
"""

from reports.document.figure import drawn
from reports.document.parts import (
    DASH,
    Block,
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
    Source,
    Strip,
    Table,
    Text,
    Value,
    Words,
    computed,
    note,
    plain,
    table,
)
from reports.document.writing import Layout, Written, write

__all__ = [
    "DASH",
    "Block",
    "Cell",
    "Code",
    "Document",
    "Facts",
    "Figure",
    "Fold",
    "Gallery",
    "Layout",
    "Line",
    "Listed",
    "Number",
    "Picture",
    "Section",
    "Source",
    "Strip",
    "Table",
    "Text",
    "Value",
    "Words",
    "Written",
    "computed",
    "drawn",
    "note",
    "plain",
    "table",
    "write",
]
