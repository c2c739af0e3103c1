"""Which learning rate, tail and rank are best, without a look at the test set?

A search of 8 proposals at random over `training.lr`, `loss.tail_weight` and `lora.rank`: 8
sequences, each measured on held-out normal pictures and defects drawn on them, which is what it
chooses by (docs/search.md). Feeds: report `search`. Published: nothing.
`--search-trials N` proposes more, and goes on where fewer ended.

    moleflow run search --data DIR
"""

from moleflow import profiles
from orchestration.studies.search import Search, integer, log_uniform, uniform
from orchestration.studies.study import Study

STUDY = Study(
    question="Which learning rate, tail and rank are best, without a look at the test set?",
    base=profiles.main(),
    axes=(
        Search(
            space={
                "training.lr": log_uniform(1e-4, 3e-3),
                "loss.tail_weight": uniform(0.0, 1.0),
                "lora.rank": integer(8, 128),
            },
            trials=8,
        ),
    ),
    reports=("search",),
)
