"""The words of a study file, by the name that study files have imported them from so far.

New ones write `from orchestration import Study, Grid`; those that people have go on working.
"""

from orchestration.studies.axes import Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study

__all__ = ["Grid", "Orders", "Plan", "Study", "TaskZero", "Trial", "expand"]
