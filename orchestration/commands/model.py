"""The command line about one trained sequence: `moleflow train | predict | evaluate | learn`."""

import csv
import errno
import io
import os
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

from cyclopts import Parameter
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from moleflow.data.catalog import open_training
from moleflow.data.dataset_layout import composed
from moleflow.data.pictures import ClassData
from moleflow.data.sequences import in_scenario, task_name
from moleflow.errors import ConfigError, DivergedError, ModelError, StoreError
from moleflow.profiles import PROFILES
from moleflow.profiles import profile as named_profile
from orchestration.cluster.allowance import allowed_cpus
from orchestration.cluster.environment import DETERMINISTIC
from orchestration.commands.consoles import err, out, to_output
from orchestration.commands.options import (
    ClassesOption,
    RootOption,
    ScenarioHelp,
    SettingsOption,
    read_settings,
)
from orchestration.commands.whole_numbers import WHOLE
from orchestration.records.dataset import checked
from orchestration.records.layout import Root
from orchestration.studies.overrides import absolute_weights
from orchestration.views.progress import QUIET

if TYPE_CHECKING:
    import torch

    from moleflow.measurement import Measurement
    from moleflow.training.train import EpochEnd

DONE, INCOMPLETE = 0, 1

Model = Annotated[Path, Parameter(help="Folder of a trained model.")]
DataOption = Annotated[Path, Parameter(help="Folder of the classes; see `data check`.")]
WeightsOption = Annotated[
    str | None, Parameter(help="Where the backbone's weights lie now; default: where they lay.")
]
DeviceOption = Annotated[str, Parameter(help="cpu or cuda.")]
ThreadsOption = Annotated[
    int | None, WHOLE, Parameter(help="CPU threads; default: the cores that this process may use.")
]


def train(
    *,
    data: DataOption,
    classes: ClassesOption = (),
    profile: Annotated[str, Parameter(help=f"Base settings: {', '.join(PROFILES)}.")] = "main",
    scenario: Annotated[str, ScenarioHelp] = "1-1",
    seed: Annotated[int, WHOLE] = 0,
    settings: SettingsOption = (),
    out_folder: Annotated[
        Path | None, Parameter(name="--out", help="The model's folder; default: below the root.")
    ] = None,
    root: RootOption = Path("runs"),
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
) -> int:
    """Train one sequence of classes, in the order named, and save the model."""
    from orchestration.models.training import SequenceTraining
    from orchestration.store.store import Store

    classes = tuple(map(composed, classes))
    config = named_profile(profile).updated(absolute_weights(read_settings(settings)))
    place = Root.at(root)
    place.check_format()
    if out_folder is not None:
        _refuse_existing(out_folder)
        check_writable(out_folder)
    catalog = open_training(data.expanduser().resolve(), classes, _say)
    sequence = in_scenario(classes or tuple(catalog), scenario)
    place.claim()
    training = SequenceTraining(
        config=config,
        sequence=sequence,
        seed=seed,
        data=catalog,
        fingerprints=_fingerprints(catalog, place),
        store=Store(place.store),
        device=prepared(device, threads),
    )
    folder = out_folder or place.models / training.key
    _refuse_existing(folder)
    try:
        with _progress() as report:
            training.run(folder.resolve(), report, _say_stage, _say)
    except DivergedError as error:
        err.print(f"[bold red]diverged:[/] {escape(str(error))}")
        return INCOMPLETE
    out.print(f"model     {escape(str(folder))}")
    return DONE


def predict(
    model: Model,
    images: Annotated[
        tuple[Path, ...], Parameter(consume_multiple=True, help="Pictures, or folders of them.")
    ],
    *,
    csv_file: Annotated[
        Path | None, Parameter(name="--csv", help="Where scores go; default: standard output.")
    ] = None,
    maps: Annotated[
        Path | None, Parameter(help="Folder for anomaly maps and overlays, as PNG.")
    ] = None,
    task: Annotated[str | None, Parameter(help="Score under this task; default: routed.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
) -> int:
    """Score pictures: a line each with score, chosen task and distances.

    The exit code is 0 when every picture was scored, 1 when some could not be read.
    """
    from moleflow.predictor import Unreadable, load
    from orchestration.models.predictions import MapFolder, ScoreLines, pictures_in, refuse_inputs

    refuse_inputs(model, csv_file, maps, images)
    prepared(device, threads)
    pictures = pictures_in(images)
    predictor = load(model, weights, device)
    answers, problems = predictor.predict(pictures, task), 0
    with ExitStack() as outputs:
        file = outputs.enter_context(_lines(csv_file))
        drawn = None
        if maps is not None:
            with _written(maps):
                drawn = MapFolder(maps, predictor.saved.model.config)
            outputs.callback(drawn.close)
        lines = ScoreLines(file, predictor.tasks)
        for number, answer in enumerate(answers):
            with to_output() if csv_file is None else nullcontext():
                lines.write(answer)
            if isinstance(answer, Unreadable):
                problems += 1
                err.print(f"[bold red]not scored:[/] {escape(answer.reason)}")
            elif maps is not None and drawn is not None:
                with _written(maps):
                    drawn.add(number, answer)
        if maps is not None and drawn is not None:
            with _written(maps):
                drawn.draw()
    return INCOMPLETE if problems else DONE


def evaluate(
    model: Model,
    *,
    data: DataOption,
    classes: ClassesOption = (),
    csv_file: Annotated[Path | None, Parameter(name="--csv", help="Write the numbers too.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
) -> int:
    """Metrics of a model on labelled pictures, per class, routed and under the true task."""
    from moleflow.predictor import load
    from orchestration.models.predictions import refuse_inputs

    refuse_inputs(model, csv_file)
    prepared(device, threads)
    classes = tuple(map(composed, classes))
    if csv_file is not None:
        check_writable(csv_file)
    predictor = load(model, weights, device)
    found = predictor.evaluate(data.expanduser().resolve(), classes, _say)
    out.print(_metrics_table(found))
    if csv_file is not None:
        with _lines(csv_file) as file:
            writer = csv.writer(file)
            writer.writerow(["class", "metric", "routing", "value"])
            writer.writerows(
                [row.class_name or "mean", row.metric, row.routing, row.value] for row in found
            )
    return DONE


def learn(
    model: Model,
    *,
    data: DataOption,
    classes: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Classes of the new task.")
    ],
    weights: WeightsOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
) -> int:
    """Teach a trained model one more task; what it knows already keeps its bytes."""
    from moleflow.predictor import load

    prepared(device, threads)
    classes = tuple(map(composed, classes))
    predictor = load(model, weights, device)
    check_writable(model / "model.json")
    try:
        with _progress() as report:
            for end in predictor.learn(data.expanduser().resolve(), classes):
                report(task_name(tuple(sorted(classes))), end)
    except DivergedError as error:
        err.print(f"[bold red]diverged:[/] {escape(str(error))}")
        return INCOMPLETE
    out.print(f"tasks     {escape(', '.join(predictor.tasks))}")
    return DONE


def prepared(device: str, threads: int | None) -> "torch.device":
    """The device, with torch set up for equal numbers in every run.

    Raises:
        ConfigError: no such device, or no number of threads.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"--threads {threads}: give a number of at least 1")
    import torch

    from moleflow.device import prepare
    from moleflow.predictor import torch_device

    os.environ.update(DETERMINISTIC)
    chosen = threads or min(torch.get_num_threads(), allowed_cpus())
    return prepare(torch_device(device), chosen)


def _fingerprints(catalog: Mapping[str, ClassData], root: Root) -> dict[str, str]:
    """Of every class's files, once they are checked; says what was found."""
    found = {name: checked(data, root) for name, data in catalog.items()}
    for name, one in found.items():
        for line in one.told:
            err.print(escape(f"{name}: {line}"))
    return {name: one.fingerprint for name, one in found.items()}


@contextmanager
def _progress() -> "Generator[Callable[[str, EpochEnd], None], None, None]":
    """A bar of epochs for each task in training, where there is a terminal; else a line now and
    then."""
    said = time.monotonic()
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bars:
        known: dict[str, TaskID] = {}

        def report(task: str, end: "EpochEnd") -> None:
            nonlocal said
            text = f"{escape(task)}  loss {end.loss:.4g}"
            if task not in known:
                known[task] = bars.add_task("", total=end.epochs)
            bars.update(known[task], description=text, completed=end.epoch, visible=not end.last)
            if not err.is_terminal and time.monotonic() - said > QUIET:
                said = time.monotonic()
                err.print(f"{text}, epoch {end.epoch} of {end.epochs}")

        yield report


def _say(text: str) -> None:
    err.print(escape(text))


def _say_stage(name: str, seconds: float) -> None:
    out.print(f"{escape(name)}: {seconds:.1f} s")


def _metrics_table(rows: "Sequence[Measurement]") -> Table:
    """A line per class and routing, a column per metric, in percent."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    values = {(row.class_name, row.routing, row.metric): row.value for row in rows}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("class", overflow="fold")
    table.add_column("bank")
    for metric in metrics:
        table.add_column(metric.replace("_", "\n"), justify="right", no_wrap=True)
    lines = dict.fromkeys((row.class_name, row.routing) for row in rows)
    for name, routing in lines:
        found = [values.get((name, routing, metric)) for metric in metrics]
        cells = ["" if value is None else f"{100 * value:.2f}" for value in found]
        table.add_row(*map(Text, (name or "mean", routing, *cells)))
    return table


def check_writable(path: Path) -> None:
    """Find out before the work whether its result can be written; the folder for it is made.

    Raises:
        StoreError: it cannot.
    """
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise ModelError(f"{folder}: exists already; name another folder with --out, or remove it")


@contextmanager
def _lines(path: Path | None) -> Generator[TextIO, None, None]:
    """A CSV file, with the folders it needs; without a path, standard output. What is no text in a
    file's name is written as `\\xNN`.

    Raises:
        StoreError: the file cannot be written.
    """
    if path is None:
        output: TextIO = sys.stdout
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")
        yield output
        return
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            yield file


@contextmanager
def _written(path: Path) -> Generator[Path, None, None]:
    """Turns a failure to write into a message about the place that the user named.

    Raises:
        StoreError: the place cannot be written.
    """
    try:
        yield path
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from None
