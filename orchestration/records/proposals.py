"""What a search has proposed, in order: a file each, sealed, so that whoever goes on with a search
goes on with the same proposals."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from moleflow.errors import StoreError
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder
from orchestration.studies.proposing import Proposal


class KeptProposal(Proposal):
    """A proposal, and the search that it is of."""

    format: int = 1
    search: str
    """`studies.proposing.search_id`."""


class Proposals:
    """Of one search of a study."""

    def __init__(self, folder: StudyFolder, search: str):
        self._folder = folder.proposals / search
        self._search = search

    def keep(self, proposal: Proposal) -> None:
        """Raises:
        StoreError: the study's folder cannot be written.
        """
        kept = KeptProposal(search=self._search, **dict(proposal))
        path = self._folder / f"{proposal.number:04d}.json"
        write_atomically(path, seal(kept.model_dump_json(indent=1)))

    def kept(self, tell: Callable[[str], None]) -> dict[int, Proposal]:
        """All that are whole, by number. Others are set aside: they will be made anew.

        Args:
            tell: told of files that are not the proposal of their name.

        Raises:
            StoreError: one cannot be set aside.
        """
        found, damaged = self._read()
        for path, reason in damaged.items():
            aside = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
            try:
                path.rename(aside)
            except OSError as failed:
                raise StoreError(
                    f"{path}: cannot be set aside ({failed.strerror}); mend its permissions"
                ) from None
            tell(f"{path}: {reason}; set aside as {aside.name}, and proposed anew")
        return found

    def seen(self, tell: Callable[[str], None]) -> dict[int, Proposal]:
        """All that are whole, by number; nothing is changed on disk.

        Args:
            tell: told of files that `kept` would set aside.
        """
        found, damaged = self._read()
        for path, reason in damaged.items():
            tell(f"{path}: {reason}; a run sets it aside, and proposes anew")
        return found

    def _read(self) -> tuple[dict[int, Proposal], dict[Path, str]]:
        """Those that are whole, and what is wrong with other files."""
        found, damaged = dict[int, Proposal](), dict[Path, str]()
        for path in sorted(self._folder.glob("*.json")):
            try:
                one = KeptProposal.model_validate_json(unsealed(read_regular(path)))
                if (one.search, f"{one.number:04d}") != (self._search, path.stem):
                    raise ValueError(f"is proposal {one.number} of search {one.search}")
            except (OSError, ValueError) as error:
                damaged[path] = str(error).splitlines()[0]
                continue
            found[one.number] = Proposal(**{n: getattr(one, n) for n in Proposal.model_fields})
        return found, damaged
