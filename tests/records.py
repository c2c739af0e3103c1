"""A record of a trial that nobody ran, and what records certify."""

from collections.abc import Sequence
from typing import Any

from moleflow import profiles
from orchestration.records.ledger import Record
from orchestration.sharing.certificate import Certificate, certify_with
from orchestration.studies.versions import result_versions


def record(key: str = "trial", **changes: Any) -> Record:
    """Of one class, finished after a second; fields as changed."""
    fields: dict[str, Any] = {
        "key": key,
        "study": "s",
        "status": "finished",
        "axes": {},
        "sequence": (("a",),),
        "seed": 0,
        "config": profiles.quick(),
        "data_root": "/data",
        "data": {},
        "result_versions": result_versions(),
        "fingerprints": {"a": "files"},
        "weights": "",
        "versions": {},
        "git": "unknown",
        "device": "cpu",
        "threads": 1,
        "host": "here",
        "started": 0.0,
        "ended": 1.0,
    }
    return Record(**{**fields, **changes})


def certified(group: str, records: Sequence[Record]) -> list[Certificate]:
    """All certificates that the trials of a group give, one after the other."""
    found: list[Certificate] = []
    for number, one in enumerate(records):
        found = certify_with(group, found, one, records[:number])
    return found
