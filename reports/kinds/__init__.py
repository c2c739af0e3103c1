"""Kinds of report: each a module with a function `document(evidence) -> Document`, found here.

A new kind is one file in this folder.
"""

import pkgutil


def known() -> list[str]:
    """Names of the kinds of report that there are; none is imported for it."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
