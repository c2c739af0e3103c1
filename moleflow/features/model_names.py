"""Names of the models that timm can build, read from its source: with torch, importing it takes
seconds, and what only plans imports neither.

timm registers a function by a decorator, under the function's name, and names of before in a table.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from moleflow.errors import WeightsError, nearest

MODEL = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)", re.MULTILINE)
BEFORE = re.compile(
    r"^register_model_deprecations\(__name__, \{(.*?)^\}\)", re.MULTILINE | re.DOTALL
)
NAME = re.compile(r"^\s*['\"](\w+)['\"]\s*:", re.MULTILINE)


def check_model(name: str) -> None:
    """Raises:
    WeightsError: timm has no model of that name; says which one is like it.
    """
    model = name.partition(".")[0]  # behind it, which of its weights
    if not any(model in names_in(text) for text in _sources() if model in text):
        known = sorted(model_names())
        if known:  # of a timm that is laid out otherwise nothing is known here
            raise WeightsError(f"backbone.name: timm has no model {name!r}{nearest(model, known)}")


def model_names() -> set[str]:
    """All of them."""
    return {name for text in _sources() for name in names_in(text)}


def names_in(text: str) -> set[str]:
    """Those that a file of timm's registers."""
    tables = "\n".join(BEFORE.findall(text))
    return {*MODEL.findall(text), *NAME.findall(tables)}


def _sources() -> Iterator[str]:
    found = find_spec("timm")
    for place in (found and found.submodule_search_locations) or ():
        for path in sorted(Path(place, "models").glob("*.py")):
            yield path.read_text(encoding="utf-8")
