"""`moleflow data check`: one table, every problem, an exit code that says whether all is well."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestration import cli

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """(arguments) -> exit code and what was printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["moleflow", "data", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out + said.err

    return run


def _save(path: Path, value: int, size: tuple[int, int] = (12, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size[::-1], value, np.uint8)).save(path)


def _save_mask(path: Path) -> None:
    marked = np.zeros((8, 12), np.uint8)
    marked[2:5, 3:8] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(marked).save(path)


@pytest.fixture
def bottle(tmp_path: Path) -> Path:
    folder = tmp_path / "data/bottle"
    for number in range(3):
        _save(folder / f"train/good/{number}.png", 90 + number)
    for number in range(2):
        _save(folder / f"test/good/{number}.png", 95 + number)
        _save(folder / f"test/broken/{number}.png", 30 + number)
        _save_mask(folder / f"ground_truth/broken/{number}.png")
    return folder


def _cells(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return line.split()


def test_a_sound_data_set_exits_0_with_its_table(check: Check, bottle: Path):
    code, text = check(bottle.parent)
    assert code == 0
    assert f"{bottle.parent}: MVTec layout, 1 class, 7 pictures" in text
    assert _cells(text, "bottle") == ["bottle", "3", "2", "2", "2", "12", "x", "8", "grey"]
    assert "nothing is wrong" in text


def test_sizes_are_ranges_and_their_number(check: Check, bottle: Path):
    _save(bottle / "train/good/3.png", 40, (105, 8))
    _save(bottle / "train/good/4.png", 40, (7, 210))
    _, text = check(bottle.parent)
    assert "7..105 x 8..210" in text and "3 sizes" in text


def test_problems_exit_1_and_name_every_file(check: Check, bottle: Path):
    wood = shutil.copytree(bottle, bottle.parent / "wood")
    for number in range(12):
        (bottle / f"train/good/bad{number}.png").write_text("no")
    code, text = check(bottle.parent)
    assert code == 1
    assert "bottle: 12 problems" in text and "nothing is wrong" not in text
    assert all(f"{bottle}/train/good/bad{number}.png: is not" in text for number in range(12))
    assert _cells(text, wood.name)[1:5] == ["3", "2", "2", "2"]


def test_a_class_without_masks_exits_0_and_says_what_it_lacks(check: Check, bottle: Path):
    shutil.rmtree(bottle / "ground_truth")
    code, text = check(bottle.parent)
    assert code == 0
    assert _cells(text, "bottle")[4] == "none"
    assert "no masks, so no pixel metrics: bottle" in text


def test_only_the_named_classes_are_checked(check: Check, bottle: Path):
    shutil.copytree(bottle, bottle.parent / "wood")
    (bottle.parent / "wood/train/good/0.png").write_text("no")
    code, text = check(bottle.parent, "--classes", "bottle")
    assert code == 0 and "wood" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: does not exist"),
        ([""], "holds no class"),
        (["data", "--classes", "botle"], "did you mean bottle?"),
    ],
)
def test_what_cannot_be_opened_exits_2(check: Check, bottle: Path, arguments: list[str], said: str):
    code, text = check(bottle.parent.parent / arguments[0], *arguments[1:])
    assert code == 2
    assert said in text and "Traceback" not in text


def test_names_are_printed_as_they_are(check: Check, bottle: Path):
    odd = bottle.rename(bottle.with_name("[red]a [bold]"))
    (odd / "train/good/[blue].png").write_text("no")
    code, text = check(odd.parent)
    assert code == 1
    assert "\n[red]a [bold]  " in text
    assert "[red]a [bold]: 1 problem" in text
    assert f"{odd}/train/good/[blue].png: is not" in text
