"""How fine must pictures and patches be?

4 sizes of the pictures and 2 other grids of patches, x 3 seeds: 18 sequences; cost grows with the
number of patches: 448 px and the grid of layer1 have four times the baseline's. All maps are scored
at 224 px: a metric of pixels depends on how many there are. Feeds: report `ablation`. Published in
part: Method Outline has 14 x 14 patches and DeCoFlow 56 x 56, each with other settings too.

    moleflow run resolution --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="How fine must pictures and patches be?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="224 px",
            variants={
                "224 px": {"image.size": 224},
                "160 px": {"image.size": 160, "scoring.size": 224},
                "320 px": {"image.size": 320, "scoring.size": 224},
                "448 px": {"image.size": 448, "scoring.size": 224},
                "224 px, last grid": {"image.size": 224, "patches.grid": "last"},
                "224 px, grid of layer1": {
                    "image.size": 224,
                    "backbone.stages": ["layer1", "layer2", "layer3"],
                },
            },
        ),
    ),
    seeds=(0, 1, 2),
    reports=("ablation",),
)
