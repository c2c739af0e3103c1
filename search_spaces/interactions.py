"""Does a component matter more when the base is frozen?

2 (base frozen or trained on) x 2 (component in or out) x 5 components x 5 seeds: 100 sequences, of
which the ten with every component in are shared by all: 60 distinct. Feeds: reports `interactions`,
`ablation`. Published (Method Outline, 3.3): F(1, 16) = 8.47 for whitening, 6.23 for the tail-aware
loss, 5.12 for the deep invertible adapter; 0.89 and 1.24 for the two contexts.

    moleflow run interactions --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.study import Study

WITHOUT = {
    "whitening adapter": {"adapter": "none"},
    "tail-aware loss": {"loss.tail_weight": 0.0},
    "deep invertible adapter": {"dia.blocks": 0},
    "scale context": {"flow.context_kernel": 0},
    "spatial mixer": {"mixer.kernel": 0},
}

STUDY = Study.union(
    "Does a component matter more when the base is frozen?",
    {
        component: Study(
            question=f"Does the {component} matter more when the base is frozen?",
            base=profiles.main(),
            axes=(
                Grid(field="freeze_base", values=(True, False)),
                Variants(baseline="in", variants={"in": {}, "out": changes}),
            ),
            seeds=(0, 1, 2, 3, 4),
        )
        for component, changes in WITHOUT.items()
    },
    reports=("interactions", "ablation"),
)
