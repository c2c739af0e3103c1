"""Do orders of one kind do better: textures first, easy classes first, or none?

9 orders x 3 seeds: 27 sequences of MVTec's classes: alphabetical, reversed, textures or objects
first, easy or hard classes first, and three drawn ones. Rules that the classes do not fit are left
out, and said: VisA has no textures; how hard a class is, is known of MVTec AD and VisA (image AUROC
of PatchCore trained on all classes, as DeCoFlow's and MoLE-Flow's authors list it). Feeds: report
`task_order`. Published (DeCoFlow's scripts): orders of these kinds, of which results are not in the
repository. With a frozen base, orders of one first class must agree.

    moleflow run order_families --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Orders
from orchestration.studies.study import Study

MVTEC = {
    "bottle": 100.0,
    "cable": 97.7,
    "capsule": 92.7,
    "carpet": 100.0,
    "grid": 98.3,
    "hazelnut": 99.4,
    "leather": 100.0,
    "metal_nut": 100.0,
    "pill": 94.8,
    "screw": 92.0,
    "tile": 100.0,
    "toothbrush": 96.9,
    "transistor": 95.8,
    "wood": 99.7,
    "zipper": 99.8,
}
VISA = {
    "candle": 95.2,
    "capsules": 87.8,
    "cashew": 94.0,
    "chewinggum": 98.3,
    "fryum": 95.0,
    "macaroni1": 90.2,
    "macaroni2": 66.7,
    "pcb1": 96.3,
    "pcb2": 89.2,
    "pcb3": 89.4,
    "pcb4": 98.3,
    "pipe_fryum": 99.5,
}
"""Image AUROC [%] of one PatchCore of all classes, as published."""

STUDY = Study(
    question="Do orders of one kind do better: textures first, easy classes first, or none?",
    base=profiles.main(),
    axes=(
        Orders(
            ways=(
                "alphabetical",
                "reversed",
                "textures_first",
                "objects_first",
                "easy_first",
                "hard_first",
                "random",
            ),
            count=3,
            difficulty=MVTEC | VISA,
            fitting=True,
        ),
    ),
    seeds=(0, 1, 2),
)
