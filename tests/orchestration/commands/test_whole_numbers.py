"""Options that take a whole number take no other."""

from collections.abc import Iterator
from typing import get_args

import pytest
from cyclopts import App

from moleflow_start import main
from orchestration.cli import application


def options(app: App, name: str = "moleflow") -> Iterator[tuple[str, object, object]]:
    """Command, option and converter of every option that takes a whole number."""
    for sub in app:
        if not sub.startswith("-"):
            yield from options(app[sub], f"{name} {sub}")
    if app.default_command is None:
        return
    for argument in app.assemble_argument_collection():
        if int in (argument.hint, *get_args(argument.hint)):
            yield name, argument.name, argument.parameter.converter


def test_every_option_refuses_a_fraction() -> None:
    found = list(options(application()))
    assert len(found) > 20
    assert [(command, option) for command, option, converter in found if not converter] == []


@pytest.mark.parametrize("said", ["2.5", "2.0", "1e3", "two"])
def test_a_fraction_is_not_rounded(
    said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["moleflow", "plan", "quickstart", "--seeds", said])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"{said!r} is no whole number" in capsys.readouterr().err
