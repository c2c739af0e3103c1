"""What the command line changes of a study: options that all commands about plans share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from moleflow.errors import ConfigError, StudyError
from moleflow.profiles import PROFILES
from orchestration.commands.options import (
    ClassesOption,
    ScenarioHelp,
    SettingsOption,
    read_settings,
    warn,
)
from orchestration.commands.whole_numbers import WHOLE
from orchestration.driver.planning import MOST_TRIALS
from orchestration.studies.catalog import known_studies, load_study
from orchestration.studies.overrides import Request, customised, replaced
from orchestration.studies.ranges import read_values
from orchestration.studies.slips import named_by
from orchestration.studies.study import Study, check_name


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What is changed of the study."""

    data: Annotated[str | None, Parameter(help="Folder of the classes; see `data check`.")] = None
    name: Annotated[
        str | None, Parameter(help="What the study is called: its folder, its experiment.")
    ] = None
    classes: ClassesOption = ()
    profile: Annotated[str | None, Parameter(help=f"Base settings: {', '.join(PROFILES)}.")] = None
    scenario: Annotated[str | None, ScenarioHelp] = None
    groups: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="The tasks, each as classes joined by +: a+b c."),
    ] = ()
    orders: Annotated[
        int | None,
        WHOLE,
        Parameter(help="Orders of the others for each choice of the first class."),
    ] = None
    order: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True,
            help="Orders as a,b,c (groups as a+b,c), by a rule (reversed, random, latin_square, "
            "textures_first, …), by the name of a published one, or in a .csv or .json file.",
        ),
    ] = ()
    order_seed: Annotated[int | None, WHOLE, Parameter(help="What orders are drawn from.")] = None
    task0: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Choices of a class of task 0.")
    ] = ()
    seeds: Annotated[int | None, WHOLE, Parameter(help="Number of seeds of training, from 0.")] = (
        None
    )
    vary: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True,
            help="FIELD=VALUES of a config field, all combinations: 0,0.3,0.7 · 0:4 · 0.1:0.5:0.1 "
            "· 1e-5:1e-3:log3.",
        ),
    ] = ()
    zip: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="FIELD=VALUES of fields that change together."),
    ] = ()
    search_trials: Annotated[
        int | None,
        WHOLE,
        Parameter(help="Proposals of the study's search; more go on where fewer ended."),
    ] = None
    settings: SettingsOption = ()
    most_trials: Annotated[int, WHOLE, Parameter(help="More trials are refused.")] = MOST_TRIALS
    first: Annotated[
        int | None,
        WHOLE,
        Parameter(
            help="So many trials only, the first; the same command without it runs the rest."
        ),
    ] = None

    def request(self) -> Request:
        """Raises:
        ConfigError: a setting is not FIELD=VALUE.
        StudyError: values to vary cannot be read.
        """
        return Request(
            data=self.data,
            classes=self.classes,
            profile=self.profile,
            scenario=self.scenario,
            groups=tuple(tuple(group.split("+")) for group in self.groups),
            orders=self.orders,
            order=self.order,
            order_seed=self.order_seed,
            task0=self.task0,
            seeds=self.seeds,
            vary=_values(self.vary, "--vary"),
            zipped=_values(self.zip, "--zip"),
            search_trials=self.search_trials,
            settings=read_settings(self.settings),
        )


UNCHANGED = Changes()


@dataclass(frozen=True)
class StudyRequest:
    """A study as the command line asks for it."""

    name: str
    study: Study
    source: str
    """Its file; empty for one that comes with the package."""
    packaged: str = ""
    """The study of the package that it is."""


def asked(study: str, changes: Changes) -> StudyRequest:
    """The study that is named, with the command line's changes.

    Raises:
        ConfigError, StudyError: there is none, or changes do not fit.
    """
    name, found = load_study(study)
    source = str(Path(study).resolve()) if study.endswith(".py") else ""
    packaged = "" if source else name
    if changes.name is not None:
        if changes.name != name and changes.name in known_studies():
            raise StudyError(
                f"--name {changes.name}: a study of the package has it; choose another"
            )
        name = check_name(changes.name)
    request = changes.request()
    with named_by(source):
        changed = customised(found, request)
    for line in replaced(found, request):
        warn(line)
    return StudyRequest(name, changed, source, packaged)


def _values(pairs: tuple[str, ...], option: Literal["--vary", "--zip"]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        field, separator, text = pair.partition("=")
        if not separator or not field:
            raise ConfigError(
                f"{option} {pair}: write FIELD=VALUES, e.g. {option} loss.tail_weight=0,0.3,0.7"
            )
        if field in found:
            raise StudyError(f"{option} {field}: is given twice; name all of its values at once")
        found[field] = read_values(text, f"{option} {field}")
    return found
