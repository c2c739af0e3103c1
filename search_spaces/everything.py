"""All studies of the package, as one.

The papers' tables and what goes beyond them, without `quickstart` and `grid`, and without `search`,
which no study can have for a part: on 15 classes 535 sequences are asked for, of which 361 differ.
Feeds: reports `ablation` and `task_order`. Those of a part come with the part, which can be run by
itself and shares what is known. `moleflow plan everything` says what it costs.

    moleflow run everything --data DIR
"""

from orchestration.studies.study import Study
from search_spaces import (
    all_task0,
    backbones,
    data_fraction,
    dia_context,
    distribution_shift,
    framework_versions,
    independent_training,
    lora_spectrum,
    noise_floor,
    order_families,
    papers,
    profiles,
    resolution,
    scenarios,
    seeding,
    strategies,
)

STUDY = Study.union(
    "What do all studies of the package come to?",
    {
        "papers": papers.STUDY,
        "dia_context": dia_context.STUDY,
        "framework_versions": framework_versions.STUDY,
        "backbones": backbones.STUDY,
        "lora_spectrum": lora_spectrum.STUDY,
        "independent_training": independent_training.STUDY,
        "distribution_shift": distribution_shift.STUDY,
        "noise_floor": noise_floor.STUDY,
        "all_task0": all_task0.STUDY,
        "scenarios": scenarios.STUDY,
        "order_families": order_families.STUDY,
        "profiles": profiles.STUDY,
        "data_fraction": data_fraction.STUDY,
        "resolution": resolution.STUDY,
        "seeding": seeding.STUDY,
        "strategies": strategies.STUDY,
    },
    reports=("ablation", "task_order"),
)
