"""What our documents point at is there, and the numbers that they print are those of the code."""

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from moleflow import profiles
from moleflow.config_parts import (
    FilmConfig,
    LoraConfig,
    MultiscaleConfig,
    WhiteningConfig,
)
from moleflow.model import MoLEFlow
from orchestration.studies.axes import Axis
from orchestration.studies.orders import sequences
from orchestration.studies.study import Study
from orchestration.studies.study_file import study_in
from reports.all_orders import QUANTITIES

TOP = Path(__file__).resolve().parent.parent
FOLDERS = (
    "moleflow",
    "moleflow_start",
    "orchestration",
    "reports",
    "search_spaces",
    "tests",
    "docs",
)
DOCUMENTS = sorted(
    str(path.relative_to(TOP))
    for path in (*TOP.glob("*.md"), *TOP.glob("docs/*.md"), *TOP.glob("search_spaces/*.md"))
)
OURS = re.compile(rf"(?:{'|'.join(FOLDERS)}|deploy|\.ci)/[\w./-]*|[A-Z]+\.md|Makefile")
DOTTED = re.compile(r"((?:moleflow|orchestration|reports|search_spaces)(?:\.\w+)+)(?:\(.*\))?")
BRANCHES = {
    "adapter": (WhiteningConfig, FilmConfig),
    "lora": (LoraConfig,),
    "multiscale": (MultiscaleConfig,),
}
"""Of a config, those that may be a word instead."""
AXES = {kind.__name__: kind for kind in get_args(get_args(Axis)[0])}


def text_of(document: str) -> str:
    """Without what stands in fences."""
    return re.sub(r"^```.*?^```$", "", (TOP / document).read_text(), flags=re.DOTALL | re.MULTILINE)


def headings(document: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text_of(document), re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def in_backticks(document: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text_of(document))


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(path for folder in FOLDERS for path in (TOP / folder).rglob("*.py")):
        yield str(path.relative_to(TOP)), path.read_text()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_a_document_lead_somewhere(document: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, part = link.partition("#")
        target = (TOP / document).parent / name if name else TOP / document
        assert target.exists(), link
        if part:
            assert part in map(anchor, headings(str(target.resolve().relative_to(TOP)))), link


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_files_that_a_document_names_are_there(document: str) -> None:
    named = [text for text in in_backticks(document) if OURS.fullmatch(text)]
    assert not [text for text in named if not (TOP / text).exists()]


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_names_of_our_code_in_a_document_are_there(document: str) -> None:
    for found in filter(None, map(DOTTED.fullmatch, in_backticks(document))):
        assert resolves(found[1]), found[0]


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or what one holds."""
    module, _, leaf = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return bool(module) and resolves(module) and hasattr(importlib.import_module(module), leaf)
    return True


@functools.cache
def fields() -> set[str]:
    """Every dotted field of a config, whichever branch is taken."""
    config = profiles.main()
    found = set(config.flat()) | set(type(config).model_fields)
    for branch, kinds in BRANCHES.items():
        found |= {f"{branch}.{field}" for kind in kinds for field in kind.model_fields}
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_config_fields_that_a_document_names_are_there(document: str) -> None:
    config = profiles.main()
    parts = {n for n in type(config).model_fields if isinstance(getattr(config, n), BaseModel)}
    for text in in_backticks(document):
        path = re.match(r"(?:--set )?((\w+)\.\w+)(?:[:=].*)?$", text)
        if path and path[2] in parts | set(BRANCHES):
            assert path[1] in fields(), text


def test_sections_that_the_code_cites_are_there() -> None:
    numbers = {heading.split()[0] for heading in headings("docs/method.md")}
    cited = [
        (name, section)
        for name, code in sources()
        for found in re.findall(r"docs/method\.md, ([\d.]*\d(?: (?:to|and) [\d.]*\d)?)", code)
        for section in re.findall(r"[\d.]*\d", found)
    ]
    assert len(cited) > 40
    assert not [(name, section) for name, section in cited if section not in numbers]


def test_parts_of_the_design_that_the_code_cites_are_there() -> None:
    parts = [heading.lower() for heading in headings("docs/design.md")]
    cited = [(n, p) for n, c in sources() for p in re.findall(r"docs/design\.md: ([\w ]+)\)", c)]
    assert len(cited) >= 3
    assert not [(name, part) for name, part in cited if part not in parts]


def test_the_code_cites_no_document_that_is_not_here() -> None:
    here = Path(__file__).name
    wrong = re.compile(r"\b(?:METHOD|DESIGN)\b|\(00\d[,:)]|(?<![.,_\d])00[0-4](?:'s|, \d)")
    assert not [(n, f) for n, c in sources() if not n.endswith(here) for f in wrong.findall(c)]


def cells(section: str, first: str) -> list[str]:
    """Of a table row in a section of the method, behind the cell that names it."""
    text = re.split(r"^## ", text_of("docs/method.md"), flags=re.MULTILINE)[int(section)]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return next(row[1:] for row in rows if row and first in row[0])


def written(number: float) -> str:
    """As the document writes numbers: 0.7, 3e-4."""
    if not 0 < number < 0.01:
        return f"{number:g}"
    mantissa, _, exponent = f"{number:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


@pytest.mark.parametrize(("column", "profile"), [*enumerate(profiles.PROFILES)])
def test_settings_of_a_profile_are_those_of_the_document(column: int, profile: str) -> None:
    config = profiles.profile(profile)
    flow, loss, training, lora = config.flow, config.loss, config.training, config.lora
    assert lora != "off"
    multi = "off" if config.multiscale == "off" else config.multiscale.kernel
    dia = written(training.dia_lr) if config.dia.blocks else "–"
    ratio = written(loss.tail_ratio) if loss.tail_weight else "–"
    expected = {
        "neighbourhood": str(config.patches.neighbourhood),
        "blocks": f"{flow.blocks}, {config.dia.blocks}, {lora.rank}",
        "lora.alpha": lora.alpha if lora.alpha == "r" else f"{lora.alpha:g}",
        "kernels": f"{config.mixer.kernel}, {flow.context_kernel}, {multi}",
        "clamp": f"{flow.clamp}; {'yes' if flow.train_global_affine else 'no'}",
        "epochs": f"{training.epochs}, {written(training.lr)}, {dia}",
        "lambda": f"{written(loss.tail_weight)}, {ratio}, {written(loss.logdet_weight)}",
    }
    assert {name: cells("9", name)[column] for name in expected} == expected


@pytest.mark.parametrize(
    ("profile", "grid", "channels"),
    [
        ("main", (28, 28), 0),
        ("high_res", (56, 56), 0),
        ("method_v1_6", (14, 14), 512 + 1024),
        ("framework_v3", (37, 37), 0),
        ("visa_vit", (14, 14), 0),
        ("quick", (12, 12), 0),
    ],
)
def test_parameters_of_a_profile_are_those_of_the_document(
    profile: str, grid: tuple[int, int], channels: int
) -> None:
    model = MoLEFlow(profiles.profile(profile), grid, 0, ("a",), channels)
    counts = model.new_bank(("a",)).parameter_counts()
    base = sum(parameter.numel() for parameter in model.base.parameters())
    parts = [counts[part] for part in ("lora", "task_bias", "adapter", "dia")]
    found = [int(cell.strip("*").replace(",", "")) for cell in cells("10", f"`{profile}`")]
    assert found == [*parts, sum(counts.values()), base]


def studies_of(document: str) -> list[str]:
    """Python in its fences that defines a study."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (TOP / document).read_text(), re.M | re.DOTALL)
    return [block for block in blocks if "STUDY = " in block]


@pytest.mark.parametrize(
    "document", ["docs/studies.md", "docs/search.md", "search_spaces/README.md"]
)
def test_studies_that_a_document_shows_can_be_asked(document: str, tmp_path: Path) -> None:
    found = studies_of(document)
    assert found
    for code in found:
        assert "from orchestration." not in code, "names of the front are enough"
        (tmp_path / "shown.py").write_text(code)
        study = study_in(tmp_path / "shown.py")
        assert sequences(study, ("a", "b", "c", "d"))


def test_fields_of_studies_and_axes_are_explained() -> None:
    rows = [line for line in text_of("docs/studies.md").splitlines() if line.startswith("|")]
    first = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert first >= set(Study.model_fields)
    assert first >= set(AXES)
    for name, kind in AXES.items():
        row = "".join(row for row in rows if row.startswith(f"| `{name}`"))
        assert set(re.findall(r"`(\w+)`", row)) >= set(kind.model_fields) - {"kind"}, name


def test_the_list_of_studies_names_every_axis() -> None:
    said = text_of("search_spaces/README.md").partition("Axes are")[2]
    assert set(re.findall(r"`([A-Z]\w+)`", said)) == set(AXES)


def test_what_runs_tell_of_orders_is_in_the_table_of_tracking() -> None:
    (line,) = re.findall(
        r"^\| `task_order`, on the same run .*$", text_of("docs/tracking.md"), re.M
    )
    assert [name for name in QUANTITIES if not re.search(rf"\b{name}\b", line)] == []
