"""A study in a file of the user's: ordinary Python loads, a slip is one message."""

import os
import sys
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.studies.catalog import load_study
from orchestration.studies.expansion import Plan
from orchestration.studies.study import Study

HEAD = """
from moleflow import profiles
from orchestration.studies.axes import Grid, TaskZero
from orchestration.studies.study import Study
base = {"question": "q", "base": profiles.quick()}
"""


def load(folder: Path, body: str, name: str = "mine.py") -> Study:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(HEAD + body)
    return load_study(str(folder / name))[1]


def refused(folder: Path, body: str, name: str = "mine.py") -> str:
    with pytest.raises(StudyError) as error:
        load(folder, body, name)
    assert "mine.py" in str(error.value)
    return str(error.value)


def test_a_file_whose_path_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff\xfed"))
    assert "b\\xff\\xfed/mine.py: is no UTF-8" in refused(folder, "STUDY = Study(**base)")


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ("[0, 1]", (0, 1)),
        ("range(3)", (0, 1, 2)),
        ("__import__('numpy').arange(2)", (0, 1)),
        ("[__import__('numpy').int64(4)]", (4,)),
    ],
)
def test_whatever_is_a_list_of_numbers_in_python_will_do(
    seeds: str, expected: tuple[int, ...], tmp_path: Path
) -> None:
    axes = 'axes=[Grid(field="training.lr", values=[1e-3, 2e-3]), TaskZero(classes=["a"])]'
    study = load(
        tmp_path,
        f'STUDY = Study(**base, seeds={seeds}, {axes}, groups=[["a", "b"], ["c"]])',
    )
    assert study.seeds == expected and study.groups == (("a", "b"), ("c",))
    plan = Plan(name="mine", study=study, data_root="/", trials=())
    assert Plan.model_validate_json(plan.model_dump_json()).study == study


def test_paths_are_values_as_text_is(tmp_path: Path) -> None:
    value = "__import__('pathlib').Path('w.safetensors')"
    study = load(
        tmp_path, f'STUDY = Study(**base, axes=[Grid(field="backbone.weights", values=[{value}])])'
    )
    assert study == load(
        tmp_path,
        'STUDY = Study(**base, axes=[Grid(field="backbone.weights", values=["w.safetensors"])])',
    )


@pytest.mark.parametrize(
    "value", ["Decimal('0.1')", "Fraction(1, 3)", "b'x'", "{1}", "date(2026, 1, 1)", "{'a': 1j}"]
)
def test_a_value_that_no_file_can_hold_is_a_slip(value: str, tmp_path: Path) -> None:
    head = (
        "from datetime import date\nfrom decimal import Decimal\nfrom fractions import Fraction\n"
    )
    for axis, field in (
        (f'Grid(field="training.lr", values=[{value}])', "training.lr: "),
        (f'Grid(field="training.lr", values=[1], when={{"lora.rank": {value}}})', "training.lr: "),
    ):
        text = refused(tmp_path, f"{head}STUDY = Study(**base, axes=[{axis}])")
        assert "line 9" in text and field in text and "write a number" in text, text


def test_modules_beside_a_study_are_its_own_and_nothing_of_them_stays(tmp_path: Path) -> None:
    before, path = set(sys.modules), list(sys.path)
    for number, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "common.py").write_text(f"SEEDS = [{number}]\n")
        (tmp_path / name / "parts").mkdir()
        (tmp_path / name / "parts" / "__init__.py").write_text("from common import SEEDS\n")
        body = "from parts import SEEDS\n"
        body += "STUDY = Study(**base, seeds=SEEDS)"
        assert load(tmp_path / name, body).seeds == (number,)
    assert {"common", "parts", "mine"} & (set(sys.modules) - before) == set()
    assert sys.path == path
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} == {".py"}


def test_a_study_may_define_classes_with_annotations_that_are_text(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        + HEAD
        + "@dataclass\nclass Mine:\n    epochs: int = 2\n"
        "STUDY = Study(**base)"
    )
    assert load_study(str(tmp_path / "mine.py"))[1].question == "q"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("STUDY = Study(**base, sedes=(1,))", ["line 6", "Study.sedes", "did you mean seeds?"]),
        ("STUDY = Study(**base, seeds=3)", ["Study.seeds", "3", "write a list"]),
        ("STUDY = Study(**base, seeds=[0.5])", ["Study.seeds.0", "0.5"]),
        ("STUDY = Study(base=profiles.quick())", ["Study.question", "is needed"]),
        (
            'STUDY = Study(**base, axes=[Grid(feld="a", values=[1])])',
            ["Grid.feld", "did you mean field?"],
        ),
        ("STUDY = Study(**base, axes=[3])", ["Study.axes.0", "3"]),
        (
            'STUDY = Study(question="q", base=profiles.quick().updated({"training.epoch": 2}))',
            ["line 6", "training.epoch", "training.epochs"],
        ),
        ("STUDY = Study(**base, seeds=range(10**12))", ["1000000000000", "at most"]),
        ('STUDIE = Study(question="q", base=profiles.quick())', ["defines no STUDY"]),
        ("STUDY = Study(", ["line 6", "never closed"]),
        ("import nothing_of_that_name", ["line 6", "nothing_of_that_name"]),
        ("1 / 0", ["line 6", "ZeroDivisionError"]),
        ("raise SystemExit", ["line 6", "SystemExit"]),
    ],
)
def test_a_slip_is_one_message_that_names_file_field_value_and_remedy(
    body: str, said: list[str], tmp_path: Path
) -> None:
    text = refused(tmp_path, body)
    assert all(part in text for part in said), text


def test_a_module_beside_a_study_must_not_hide_ours(tmp_path: Path) -> None:
    (tmp_path / "reports.py").write_text("")
    text = refused(tmp_path, "STUDY = Study(**base)")
    assert str(tmp_path / "reports.py") in text and "rename it" in text


def test_a_study_file_that_imports_from_where_the_words_were_before_goes_on_working(
    tmp_path: Path,
) -> None:
    path = tmp_path / "older.py"
    path.write_text(
        "from moleflow import profiles\n"
        "from orchestration.study import Grid, Orders, Study, TaskZero\n"
        "STUDY = Study(question='?', base=profiles.quick(), axes=(Orders(count=2),))\n"
    )
    name, study = load_study(str(path))
    assert name == "older" and study.orders_axis.count == 2


@pytest.mark.parametrize("name", ["mine.PY", "mine"])
def test_a_study_file_of_another_suffix_is_told_so(tmp_path: Path, name: str):
    (tmp_path / name).write_text("")
    with pytest.raises(StudyError, match=rf"{tmp_path / name}: .* end with \.py; rename it"):
        load_study(str(tmp_path / name))
