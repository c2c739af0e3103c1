"""How many training pictures does a class need?

4 shares, those below 1 drawn 3 times each, x 3 seeds: 30 sequences. The data seed draws the
pictures and the training seed all else, so that the two kinds of noise can be told apart; of one
draw, a smaller share is part of a larger one. Feeds: report `ablation`. Nothing is published on it.

    moleflow run data_fraction --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="How many training pictures does a class need?",
    base=profiles.main(),
    axes=(
        Grid(field="data.fraction", values=(1.0, 0.5, 0.25, 0.1)),
        Grid(field="data.seed", values=(0, 1, 2), when={"data.fraction": (0.5, 0.25, 0.1)}),
    ),
    seeds=(0, 1, 2),
    reports=("ablation",),
)
