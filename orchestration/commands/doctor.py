"""The command line's look at machines: `moleflow doctor`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from moleflow.errors import MoleflowError
from orchestration.cluster.environment import quiet_environment as worker_environment
from orchestration.cluster.proxies import without_proxies_here
from orchestration.commands.consoles import answer, out
from orchestration.commands.options import (
    JsonOption,
    RootOption,
    SettingsOption,
    UriOption,
    read_settings,
    tracking_uri,
)
from orchestration.commands.whole_numbers import WHOLE
from orchestration.doctor.checks import Finding, State, examine_machine
from orchestration.records.layout import Root
from orchestration.studies.terms import Resources
from orchestration.tracking.tracker import quiet_environment as tracking_environment
from orchestration.views.answers import Check, DoctorAnswer

SOUND, UNSOUND = 0, 1
STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    *,
    root: RootOption = Path("runs"),
    data: Annotated[Path | None, Parameter(help="Folder of the classes.")] = None,
    address: Annotated[
        str | None, Parameter(help="A Ray cluster whose nodes are looked at, e.g. auto.")
    ] = None,
    nodes: Annotated[int, WHOLE, Parameter(help="Nodes it must have; waited for a minute.")] = 1,
    mlflow_uri: UriOption = None,
    store: Annotated[
        str | None, Parameter(help="Folder or URI (s3://…) of stage results; default: in --root.")
    ] = None,
    full: Annotated[
        bool,
        Parameter(
            negative="", help="Read and compare the content of all data, not of a few files."
        ),
    ] = False,
    profile: Annotated[
        str | None, Parameter(help="Tell the GPU memory that a trial of this profile needs.")
    ] = None,
    settings: SettingsOption = (),
    as_json: JsonOption = False,
) -> int:
    """Say whether this machine, and a cluster, can run a study, and what to do where not.

    The exit code is 0 when there is no problem (warnings may be), 1 otherwise. Nothing is left
    behind in the root folder.
    """
    place, uri = Root.at(root), tracking_uri(mlflow_uri)
    os.environ.update(tracking_environment() | worker_environment(Resources(address=address)))
    os.environ.update(without_proxies_here(os.environ))
    found = list(_guarded("root", examine_machine(place, data, uri, store, full)))
    if address is not None:
        found += _guarded("cluster", _of_cluster(address, place, data, store, nodes, full))
    if profile is not None or settings:
        found += _guarded("trial", _of_trial(profile or "main", settings, data))
    if as_json:
        answer(_answer(found))
        return UNSOUND if any(one.state == "problem" for one in found) else SOUND
    out.print(_table(found), soft_wrap=False)
    problems, warnings = _count(found, "problem"), _count(found, "warning")
    out.print(f"{problems}, {warnings}")
    return UNSOUND if any(one.state == "problem" for one in found) else SOUND


def _answer(found: list[Finding]) -> DoctorAnswer:
    checks = [
        Check(name=one.name, state=one.state, found=one.found, remedy=one.remedy) for one in found
    ]
    return DoctorAnswer(
        problems=sum(one.state == "problem" for one in found),
        warnings=sum(one.state == "warning" for one in found),
        checks=tuple(checks),
    )


def _of_cluster(
    address: str, root: Root, data: Path | None, store: str | None, nodes: int, full: bool
) -> Iterator[Finding]:
    from orchestration.cluster.nodes import joined
    from orchestration.doctor.cluster import examine_nodes, examine_places
    from orchestration.doctor.machine import appearance, fingerprints

    with joined(address):
        yield from examine_nodes(nodes)
        yield from examine_places(root, data, store, fingerprints if full else appearance)


def _of_trial(profile: str, settings: tuple[str, ...], data: Path | None) -> Iterator[Finding]:
    from moleflow import profiles
    from orchestration.doctor.needs import examine_needs

    config = profiles.profile(profile).updated(read_settings(settings))
    yield from examine_needs(profile, config, data)


def _guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """What ends an examination is itself a finding."""
    try:
        yield from findings
    except MoleflowError as error:
        yield Finding(name, "problem", str(error))


def _count(findings: list[Finding], state: State) -> str:
    number = sum(one.state == state for one in findings)
    return f"{number} {state}" + ("" if number == 1 else "s")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for one in findings:
        state = Text(one.state, style=STYLES[one.state])
        table.add_row(state, one.name, Text(one.found), Text(one.remedy))
    return table
