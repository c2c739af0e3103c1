"""Where things lie below the root folder (DESIGN: root folder). Only place to know these names."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Root:
    """The folder that the user names with --root; always absolute. Nothing is written outside."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> "Root":
        return cls(Path(path).expanduser().resolve())

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def mlflow_db(self) -> Path:
        return self.path / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.path / "mlartifacts"

    @property
    def models(self) -> Path:
        """Sequences trained outside of a study, by key."""
        return self.path / "models"

    def study(self, name: str) -> "StudyFolder":
        return StudyFolder(self.path / "studies" / name)

    def study_names(self) -> list[str]:
        """Studies of which something is on disk."""
        return sorted(file.parent.name for file in (self.path / "studies").glob("*/study.json"))


@dataclass(frozen=True)
class StudyFolder:
    """`studies/<study>/` of a root folder."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def asked(self) -> Path:
        """What was asked, resolved (`orchestration.study.Plan` as JSON)."""
        return self.path / "study.json"

    @property
    def results(self) -> Path:
        """The tidy table of all numbers."""
        return self.path / "results.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    def record(self, key: str) -> Path:
        """The ledger's immutable record of a finished trial."""
        return self.trials / f"{key}.json"

    def trial(self, key: str) -> Path:
        """What a trial writes beside its record: events and artifacts."""
        return self.trials / key

    def events(self, key: str) -> Path:
        return self.trial(key) / "events.jsonl"

    def model(self, key: str) -> Path:
        """The trained sequence of a finished trial (`moleflow.saved`)."""
        return self.trial(key) / "model"

    def analyses(self, key: str) -> Path:
        """Tables, figures and page of a finished trial's analyses."""
        return self.path / "analyses" / key

    def artifacts(self, key: str) -> Path:
        return self.trial(key) / "artifacts"
