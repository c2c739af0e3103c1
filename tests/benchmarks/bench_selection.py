"""How well does the selection score rank variants as the test set does?

    python tests/benchmarks/bench_selection.py --real ../shared --root /tmp/selection

Six variants of the profile `quick`, from good to broken, trained on real photographs with a fifth
of their training pictures held out; the same command goes on where it was ended. Prints each
variant's selection score and test metric, and Spearman's correlation of the two rankings: over the
means, with the exact two-sided p of six variants, and class by class.
"""

import argparse
from pathlib import Path

from moleflow import profiles
from moleflow.metrics.means import mean
from orchestration import Study, Variants, run
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from reports.statistics import spearman

VARIANTS: dict[str, dict[str, object]] = {
    "full": {},
    "slow": {"training.lr": 1e-4},
    "no tail": {"loss.tail_weight": 0.0},
    "one block": {"flow.blocks": 1},
    "no position": {"position": "none"},
    "mean of patches": {"scoring.aggregation": "mean"},
}
METRICS = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    weights = str((given.real / "weights" / "resnet18.safetensors").resolve())
    base = profiles.quick().updated(
        {
            "backbone.weights": weights,
            "training.epochs": given.epochs,
            "data.held_out": 0.2,
        }
    )
    study = Study(
        question="How does the selection score rank?",
        base=base,
        axes=(Variants(variants=VARIANTS, baseline="full"),),
    )
    run(study, data=given.real / "data", root=given.root, name="selection", runner="inline")
    ledger = Ledger(Root.at(given.root).study("selection"))
    records = {record.axes["variant"]: record for record in ledger.records()}
    print(f"{'variant':<18}" + "".join(f"{m + ' sel':>18}{m + ' test':>18}" for m in METRICS))
    for name in VARIANTS:
        cells = [
            f"{100 * score(records[name], metric, selection):18.2f}"
            for metric in METRICS
            for selection in (True, False)
        ]
        print(f"{name:<18}" + "".join(cells))
    for by in METRICS:
        for metric in ("image_auroc", "pixel_ap"):
            print(f"selection {by} against test {metric}: {ranked(records, by, metric)}")


def ranked(records: dict[str, Record], by: str, metric: str) -> str:
    """Spearman's correlation over variants, of means over classes and of each class."""
    names = list(VARIANTS)
    ours = [score(records[name], by, True) for name in names]
    theirs = [score(records[name], metric, False) for name in names]
    whole = spearman(ours, theirs)
    classes = records["full"].classes
    each = [
        spearman(
            [score(records[name], by, True, one) for name in names],
            [score(records[name], metric, False, one) for name in names],
        ).value
        for one in classes
    ]
    told = ", ".join(f"{one} {r:.2f}" for one, r in zip(classes, each, strict=True))
    return f"rho {whole.value:.2f} (n = {whole.n}, exact p {whole.p:.2f}); by class {told}"


def score(record: Record, metric: str, selection: bool, name: str = "") -> float:
    rows = [
        row
        for row in (record.selection if selection else record.rows)
        if row.metric == metric and row.routing == "routed" and row.step == len(record.sequence)
    ]
    kind = "step" if name else "step_mean"
    return mean(r.value for r in rows if r.definition == kind and r.class_name == name)


if __name__ == "__main__":
    main()
