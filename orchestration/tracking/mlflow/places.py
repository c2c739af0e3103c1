"""Where the artifacts of a root folder's runs lie: below it, wherever it is now.

MLflow keeps absolute addresses, of an experiment's folder and of each run's, so they go stale when
a root folder is moved; and an experiment that another root folder began would put the artifacts of
all runs there. A server decides by itself; in a database we mend what is ours. Imports no MLflow.
"""

# SQLAlchemy's rows of tables that are told in a few words have no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, Select, column, create_engine, select, table, update

from orchestration.records.layout import Root
from orchestration.tracking.mlflow.owner import OWNER, Owner

RUNS = table("runs", column("run_uuid"), column("experiment_id"), column("artifact_uri"))
TAGS = table("tags", column("run_uuid"), column("key"), column("value"))
EXPERIMENTS = table(
    "experiments", column("experiment_id"), column("name"), column("artifact_location")
)
MODELS = table(
    "logged_models", column("model_id"), column("experiment_id"), column("artifact_location")
)
MODEL_TAGS = table("logged_model_tags", column("model_id"), column("tag_key"), column("tag_value"))
EXPERIMENT_TAGS = table("experiment_tags", column("experiment_id"), column("key"), column("value"))


def location(root: Root, experiment: str) -> str:
    """Where an experiment's artifacts belong."""
    return (root.mlflow_artifacts / experiment).as_uri()


def of_run(root: Root, experiment: str, run_id: str) -> str:
    """Where a run's artifacts belong, as MLflow itself would have it."""
    return f"{location(root, experiment)}/{run_id}/artifacts"


def of_model(root: Root, experiment: str, model_id: str) -> str:
    """The same of a logged model."""
    return f"{location(root, experiment)}/models/{model_id}/artifacts"


def bring_home(uri: str, root: Root, owner: Owner) -> None:
    """Addresses of all that this owner has in a database.

    Raises:
        SQLAlchemyError: the database does not answer, or lets nobody write.
    """
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            _experiments(connection, root, owner)
            _runs(connection, root, owner)
            _models(connection, root, owner)
    finally:
        engine.dispose()


def bring_model_home(uri: str, root: Root, experiment: str, model_id: str) -> None:
    """The address of one logged model that has no artifacts yet.

    Raises:
        SQLAlchemyError: as `bring_home`.
    """
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            _place_model(connection, model_id, of_model(root, experiment, model_id))
    finally:
        engine.dispose()


def bring_run_home(uri: str, root: Root, experiment: str, run_id: str) -> None:
    """The address of one run that has no artifacts yet.

    Raises:
        SQLAlchemyError: as `bring_home`.
    """
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            _place(connection, run_id, of_run(root, experiment, run_id))
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


def _runs(connection: Connection, root: Root, owner: Owner) -> None:
    owned = (
        select(RUNS.c.run_uuid, EXPERIMENTS.c.name, RUNS.c.artifact_uri)
        .join_from(RUNS, TAGS, TAGS.c.run_uuid == RUNS.c.run_uuid)
        .join(EXPERIMENTS, EXPERIMENTS.c.experiment_id == RUNS.c.experiment_id)
        .where(TAGS.c.key == OWNER, TAGS.c.value == owner.id)
    )
    for key, name, there in connection.execute(owned).all():
        if there != of_run(root, name, key):
            _place(connection, key, of_run(root, name, key))


def _models(connection: Connection, root: Root, owner: Owner) -> None:
    owned = (
        select(MODELS.c.model_id, EXPERIMENTS.c.name, MODELS.c.artifact_location)
        .join_from(MODELS, MODEL_TAGS, MODEL_TAGS.c.model_id == MODELS.c.model_id)
        .join(EXPERIMENTS, EXPERIMENTS.c.experiment_id == MODELS.c.experiment_id)
        .where(MODEL_TAGS.c.tag_key == OWNER, MODEL_TAGS.c.tag_value == owner.id)
    )
    for key, name, there in connection.execute(owned).all():
        if there != of_model(root, name, key):
            _place_model(connection, key, of_model(root, name, key))


def _place_model(connection: Connection, model_id: str, there: str) -> None:
    change = update(MODELS).where(MODELS.c.model_id == model_id)
    connection.execute(change.values(artifact_location=there))


def _place(connection: Connection, run_id: str, there: str) -> None:
    connection.execute(update(RUNS).where(RUNS.c.run_uuid == run_id).values(artifact_uri=there))


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
