"""Where the artifacts of a root folder's runs lie: below it, wherever it is now.

MLflow keeps absolute addresses, of an experiment's folder and of each run's, so they go stale when
a root folder is moved; and an experiment that another root folder began would put the artifacts of
all runs there. A server decides by itself; in a database we mend what is ours. Imports no MLflow.
"""

# SQLAlchemy's rows of tables that are told in a few words have no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import (
    Connection,
    Select,
    TableClause,
    column,
    create_engine,
    select,
    table,
    update,
)

from orchestration.records.layout import Root
from orchestration.tracking.mlflow.owner import OWNER, Owner

EXPERIMENTS = table(
    "experiments", column("experiment_id"), column("name"), column("artifact_location")
)
EXPERIMENT_TAGS = table("experiment_tags", column("experiment_id"), column("key"), column("value"))


@dataclass(frozen=True)
class Kind:
    """What has artifacts in an experiment's folder: a table of it, and one of its tags."""

    table: TableClause
    key: str
    """The column by which one is known, in both tables."""
    address: str
    """The column that says where its artifacts are."""
    tags: TableClause
    tag: str
    """The columns of a tag's name and of its value."""
    value: str
    below: str
    """Where its artifacts belong, below the experiment's, as MLflow itself would have it."""

    def home(self, root: Root, experiment: str, key: str) -> str:
        return f"{location(root, experiment)}/{self.below.format(key)}"

    def owned(self, owner: Owner) -> Select[Any, Any, Any]:
        """Key, experiment's name and address of all that are this owner's."""
        table, tags = self.table.c, self.tags.c
        return (
            select(table[self.key], EXPERIMENTS.c.name, table[self.address])
            .join_from(self.table, self.tags, tags[self.key] == table[self.key])
            .join(EXPERIMENTS, EXPERIMENTS.c.experiment_id == table.experiment_id)
            .where(tags[self.tag] == OWNER, tags[self.value] == owner.id)
        )

    def place(self, connection: Connection, key: str, there: str) -> None:
        one = self.table.c[self.key] == key
        connection.execute(update(self.table).where(one).values({self.address: there}))


RUN = Kind(
    table=table("runs", column("run_uuid"), column("experiment_id"), column("artifact_uri")),
    key="run_uuid",
    address="artifact_uri",
    tags=table("tags", column("run_uuid"), column("key"), column("value")),
    tag="key",
    value="value",
    below="{}/artifacts",
)
MODEL = Kind(
    table=table(
        "logged_models", column("model_id"), column("experiment_id"), column("artifact_location")
    ),
    key="model_id",
    address="artifact_location",
    tags=table("logged_model_tags", column("model_id"), column("tag_key"), column("tag_value")),
    tag="tag_key",
    value="tag_value",
    below="models/{}/artifacts",
)


def location(root: Root, experiment: str) -> str:
    """Where an experiment's artifacts belong."""
    return (root.mlflow_artifacts / experiment).as_uri()


def bring_home(uri: str, root: Root, owner: Owner) -> None:
    """Addresses of all that this owner has in a database.

    Raises:
        SQLAlchemyError: the database does not answer, or lets nobody write.
    """
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            _experiments(connection, root, owner)
            for kind in (RUN, MODEL):
                for key, name, there in connection.execute(kind.owned(owner)).all():
                    if there != kind.home(root, name, key):
                        kind.place(connection, key, kind.home(root, name, key))
    finally:
        engine.dispose()


def bring_one_home(uri: str, root: Root, experiment: str, kind: Kind, key: str) -> None:
    """The address of one run or model that has no artifacts yet.

    Raises:
        SQLAlchemyError: as `bring_home`.
    """
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            kind.place(connection, key, kind.home(root, experiment, key))
    finally:
        engine.dispose()


def strayed(uri: str, root: Root, owner: Owner) -> bool:
    """Whether what this owner has there is sought where nothing is any more."""
    engine = create_engine(uri)
    try:
        with engine.connect() as connection:
            found = connection.execute(_owned_experiments(owner)).all()
    finally:
        engine.dispose()
    return any(
        there != location(root, name) and not Path(unquote(urlsplit(str(there)).path)).exists()
        for _, name, there in found
    )


def _experiments(connection: Connection, root: Root, owner: Owner) -> None:
    for key, name, there in connection.execute(_owned_experiments(owner)).all():
        if there != location(root, name):
            change = update(EXPERIMENTS).where(EXPERIMENTS.c.experiment_id == key)
            connection.execute(change.values(artifact_location=location(root, name)))


def _owned_experiments(owner: Owner) -> Select[Any, Any, Any]:
    return (
        select(EXPERIMENTS.c.experiment_id, EXPERIMENTS.c.name, EXPERIMENTS.c.artifact_location)
        .join_from(
            EXPERIMENTS,
            EXPERIMENT_TAGS,
            EXPERIMENT_TAGS.c.experiment_id == EXPERIMENTS.c.experiment_id,
        )
        .where(EXPERIMENT_TAGS.c.key == OWNER, EXPERIMENT_TAGS.c.value == owner.id)
    )
