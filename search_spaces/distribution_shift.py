"""Does a class that is far from task 0 need larger updates?

5 first classes x 3 seeds: 15 sequences, those of `task0`, with which they are shared. Every later
task of every sequence is a pair of a distance and the size of its update. Feeds: `moleflow analyse
distribution_shift --what shift`, and report `task_order`. Published (LoRA Analysis, experiment 4):
proposed, not run.

    moleflow run distribution_shift --data DIR
"""

from orchestration.studies.study import Study
from search_spaces import task0

STUDY = Study(
    question="Does a class that is far from task 0 need larger updates?",
    base=task0.STUDY.base,
    axes=task0.STUDY.axes,
    seeds=task0.STUDY.seeds,
    reports=("task_order",),
)
