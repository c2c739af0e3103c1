"""`moleflow audit`: exit codes, messages, JSON and CSV."""

import csv
import json
from pathlib import Path

import pytest

from orchestration import cli

GOOD = "a mean,mean,1.0 2.0 3.0,2.0\n"
BAD = "a mean,mean,1.0 2.0 3.0,2.5\n"
HEADER = "claim,test,inputs,printed\n"


class Command:
    """The command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> tuple[object, str]:
        self.monkeypatch.setattr("sys.argv", ["moleflow", "audit", *map(str, words)])
        self.monkeypatch.setenv("COLUMNS", "500")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self.capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return ended.value.code, said.out + said.err


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "claims.csv"


@pytest.mark.parametrize(("lines", "code"), [(GOOD, 0), (GOOD + BAD, 1)])
def test_the_exit_code_says_whether_something_cannot_be_true(
    command: Command, table: Path, lines: str, code: int
) -> None:
    table.write_text(HEADER + lines)
    ended, said = command(table)
    assert ended == code, said


@pytest.mark.slow
def test_without_a_table_it_shows_published_claims(command: Command) -> None:
    ended, said = command()
    assert ended == 1
    assert "p (Student) 0.2742" in said and "cannot be true task0 bottle-wood" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEADER + "x,two sampel t,1+-1 vs 2+-1,p=.5\n", "line 2: unknown kind of check"),
        (HEADER + GOOD + "x,,1 2 3,2\n", "line 3: the cell 'test' is empty"),
        ("claim,test,inputs\nx,mean,1 2\n", "line 1: no column 'printed'"),
        (HEADER + "x,mean,1.0, 2.0,1.5,2\n", "line 2: more cells than columns"),
        (HEADER + "x,mean,no.csv: a where b=c,2\n", "line 2: "),
        ("", "line 1: no column 'claim'"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(
    command: Command, table: Path, text: str, told: str
) -> None:
    table.write_text(text)
    ended, said = command(table)
    assert ended == 2
    assert told in said and str(table) in said


def test_a_table_that_is_not_there_is_refused(command: Command, tmp_path: Path) -> None:
    ended, said = command(tmp_path / "none.csv")
    assert ended == 2 and "none.csv" in said


def test_json_holds_every_claim_with_its_interval(command: Command, table: Path) -> None:
    table.write_text(HEADER + BAD)
    _, said = command(table, "--json")
    found = json.loads(said)
    assert found["counts"]["cannot be true"] == 1
    figure = found["claims"][0]["figures"][0]
    assert figure["low"] == pytest.approx(1.95) and figure["high"] == pytest.approx(2.05)


def test_csv_keeps_formulas_of_others_from_being_computed(
    command: Command, table: Path, tmp_path: Path
) -> None:
    table.write_text(HEADER + '"=HYPERLINK(""x"")",mean,1.0 2.0,1.5\n')
    written = tmp_path / "out.csv"
    command(table, "--csv", written)
    with written.open(newline="") as file:
        line = next(csv.DictReader(file))
    assert line["verdict"] == "holds" and line["claim"].startswith("'=")
