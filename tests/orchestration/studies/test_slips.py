"""What a study file may get wrong: one message, with the file, the field and what to do."""

from pathlib import Path

import pytest

from moleflow.errors import MoleflowError
from orchestration.driver.planning import check_asked, unnamed
from orchestration.driver.reporting import check_reports
from orchestration.studies.catalog import load_study
from orchestration.studies.effects import without_effect
from orchestration.studies.expansion import expand
from orchestration.studies.overrides import Request, customised, replaced
from orchestration.studies.points import settings_from
from orchestration.studies.slips import check_written, named_by

HEAD = """
from moleflow import profiles
from orchestration import *
base = {"question": "q?", "base": profiles.quick()}
LR = {"training.lr": log_uniform(1e-4, 1e-2)}
def variants(first, *more, **named):
    changes = {one: {"lora.rank": 2 + i} for i, one in enumerate(more)}
    return (Variants(variants={first: {}, **changes}, baseline=first, **named),)
"""
CLASSES = ("a", "b", "c", "d")


def planned(folder: Path, text: str, **asked: object) -> list[str]:
    """What a plan of the file warns of."""
    path = folder / "mine.py"
    text = text if text.startswith(("from", "STUDY")) else f"STUDY = Study(**base | dict({text}))"
    path.write_text(HEAD + text)
    name, study = load_study(str(path))
    source, request = str(path), Request.model_validate(asked)
    with named_by(source):
        study = customised(study, request)
        check_reports(study)
        check_written(study)
    names = study.named_classes or CLASSES
    told = check_asked(name, study, names, 1000, source)
    weights = {config.backbone: "w" for config in settings_from(study, source)}
    plan = expand(name, study, "/data", {c: c for c in names}, weights, source)
    return [*told, *unnamed(study, CLASSES), *without_effect(plan), *replaced(study, request)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('question=" "', ["question: is empty", "write one sentence"]),
        ("seeds=()", ["seeds: there are none", "seeds=(0, 1, 2)"]),
        ("seeds=(0, 0, 1)", ["seeds: 0 is there more than once", "each once"]),
        ("seeds=(-1,)", ["seeds: -1", "from 0 on"]),
        ("seeds=(0, 2**53)", ["seeds: 9007199254740992", "up to 9007199254740991"]),
        ("seeds=(2**80,)", ["seeds: 1208925819614629174706176", "up to 9007199254740991"]),
        ('classes=("a", "b", "a")', ["classes: a is there more than once"]),
        ('groups=(("a", "b"), ("b", "c"))', ["groups: b stands in two places"]),
        ('groups=(("a",), ())', ["groups: one of them is empty"]),
        ('scenario="two"', ["scenario 'two'", "write a-b", "joint"]),
        ('axes=(Scenarios("2-2", "x"),)', ["Scenarios.names", "'x'", "write a-b"]),
        ('axes=(Scenarios("1-1", "1-1"),)', ["Scenarios.names: 1-1 is there more than once"]),
        ('reports=("foo",)', ["reports: unknown report foo", "there are ablation"]),
        ('margins={"foo": 0.1}', ["margins: no metric foo", "image_auroc"]),
        ('margins={"image_auroc": 2}', ["margins: image_auroc 2", "fraction of 1", "0.005"]),
        ("axes=(TaskZero(),)", ["TaskZero.count: 0", "TaskZero(count=3)"]),
        ('axes=(TaskZero(classes=("a",), count=2),)', ["TaskZero", "give one of them"]),
        ('axes=(TaskZero(classes=("e",)),)', ["task 0 e", "a, b, c, d"]),
        ("axes=(Orders(count=0),)", ["Orders.count: 0", "from 1 on"]),
        ('axes=(Orders(ways=("reversed",) * 2),)', ["Orders.ways: reversed", "more than once"]),
        ('axes=(Orders(ways=("easy_first",)),)', ["Orders.ways: easy_first", "difficulty_of"]),
        ('axes=(Orders(published=("ucad visaa",)),)', ["Orders.published", "mean ucad visa?"]),
        ('axes=(Orders(named=(("a+b", "c"),)),)', ["Orders.named: a+b is a group", "--groups"]),
        ('axes=(Grid(field="lora.rank", values=(4, 4)),)', ["Grid, lora.rank: 4", "once"]),
        (
            'axes=(Grid(field="lora.rank", values=(4,), when={"lora.rank": 8}),)',
            ["Grid.when: lora.rank is what the axis itself changes"],
        ),
        ('axes=(Grid(field="training.epochs", values=(1,)),)', ["warmup_epochs: 2", "set it too"]),
        ('axes=(Grid(field="lora", values=(3,)),)', ["lora: 3 does not fit; write on or off"]),
        (
            'axes=(Variants(baseline="x", variants={"x": {"lora": "off"}}),'
            'Grid(field="lora.rank", values=(4,)))',
            ["variant x", "lora.rank: lora is 'off'", "leave this one alone"],
        ),
        ('axes=(Variants(variants={}, baseline="a"),)', ["Variants.variants: is empty"]),
        ('axes=(Variants(variants={"a": {}}, baseline="b"),)', ["Variants.baseline: 'b'"]),
        ('axes=variants("a", "a ")', ["Variants.variants: 'a ' reads like", "write e.g. 'a'"]),
        ('axes=variants("é", "e\\u0301")', ["Variants.variants: é is there more than once"]),
        ('axes=variants("a", name="x\\ny")', ["Variants.name: 'x\\ny' reads", "e.g. 'x y'"]),
        ('STUDY = Study.union("q", {"p\\u200b": Study(**base)})', ["parts: 'p", "e.g. 'p'"]),
        ("axes=(Search(space={}, trials=2),)", ["Search.space: is empty"]),
        ("axes=(Search(space=LR, trials=0),)", ["Search.trials: 0", "one or more"]),
        ("axes=(Search(space=LR, trials=2, rungs=(1, 9)),)", ["Search.rungs: (1, 9)", "smaller"]),
        ('axes=(Search(space={"lora.rank": choice(4, 4)}, trials=1),)', ["lora.rank: 4 is"]),
        ("axes=(Search(space={'training.lr': uniform(2, 1)}, trials=1),)", ["goes nowhere"]),
        ('axes=("x",)', ["Study.axes.0: 'x'", "Name(field=value)"]),
        ("base=profiles.quick", ["Study.base", "call it"]),
        ('only=({"lora.rank": 7},)', ["no trial is left", "only"]),
        ('STUDY = Study("q?", profiles.quick())', ["Study: name its fields", "question=…"]),
        ("from . import x", ["relative import", "import NAME"]),
        ("STUDY = Study(**base).model_copy(update={'seeds': ('x',)})", ["Study.seeds.0: 'x'"]),
        ("STUDY = 3", ["defines no STUDY", "from orchestration import Study"]),
    ],
)  # fmt: skip
def test_a_slip_is_refused_with_file_field_and_remedy(
    text: str, said: list[str], tmp_path: Path
) -> None:
    with pytest.raises(MoleflowError) as refused:
        planned(tmp_path, text)
    message = str(refused.value)
    assert message.count(str(tmp_path / "mine.py")) == 1 and "\n" not in message
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        ("axes=(TaskZero(count=9),)", {}, "task 0: 9 choices are asked for, and there are 4"),
        ("axes=(Orders(count=99),)", {}, "orders: 99 are asked for, and there are 24"),
        ('axes=(Orders(named=(("a", "b", "c"),)),)', {}, "left out: d, which the orders do not"),
        ('exclude=({"lora.rank": 7},)', {}, 'exclude {"lora.rank": 7}: fits no combination'),
        ('exclude=({"lora.rank": 7}, {"seed": 1}), seeds=(0, 1)', {}, 'exclude {"lora.rank": 7}'),
        ("", {}, None),
        ('exclude=({"seed": 1, "order": "a > b > c > d"},), seeds=(0, 1)', {}, None),
    ],
)
def test_what_is_granted_otherwise_than_it_was_asked_is_told(
    text: str, asked: dict[str, object], said: str | None, tmp_path: Path
) -> None:
    told = planned(tmp_path, text, **asked)
    assert len(told) == (said is not None) and all(one.startswith(str(said)) for one in told), told


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        (
            "axes=(Search(space=LR, trials=2),)",
            {"settings": {"training.lr": 1e-3}},
            "--set training.lr",
        ),
        ("", {"order": ("reversd",)}, "did you mean reversed?"),
        ("", {"order": ("easy_first",)}, "difficulty_of"),
        ("", {"order": ("a+b,c,d",)}, "--groups"),
        ("", {"vary": {"lora.rank": (4, 4)}}, "Grid, lora.rank: 4"),
    ],
)  # fmt: skip
def test_a_slip_at_the_command_line_is_refused(
    text: str, asked: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(MoleflowError, match=r"mine\.py: ") as refused:
        planned(tmp_path, text, **asked)
    assert said in str(refused.value)


def test_a_scenario_that_takes_the_place_of_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        HEAD + 'STUDY = Study(**base, axes=(Scenarios("1-1", "2-1"),))'
    )
    study = load_study(str(tmp_path / "mine.py"))[1]
    (told,) = replaced(study, Request(scenario="1-1"))
    assert told.startswith("--scenario 1-1: takes the place")
    assert replaced(study, Request()) == []
