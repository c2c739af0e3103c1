"""From what a study is expected to take to what `moleflow plan` tells."""

from collections import Counter
from math import fsum

from orchestration.driver.expected import Expected
from orchestration.driver.pricing import disk
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Resources
from orchestration.views.answers import Named, Part, PlanAnswer, Run, Seconds, Tasks, Trials


def plan_answer(told: Expected, resources: Resources, warnings: tuple[str, ...]) -> PlanAnswer:
    """Everything, the list of trials too."""
    plan, estimate = told.plan, told.estimate
    outcome, left = estimate.outcome, estimate.left
    return PlanAnswer(
        study=plan.name,
        question=plan.study.question,
        data=plan.data_root,
        known=told.known,
        classes=tuple(
            Named(name=name, train=one.train, test=one.test)
            for name, one in sorted(told.pictures.items())
        ),
        trials=Trials(
            asked=plan.asked,
            distinct=len(plan.trials),
            on_record=told.on_record,
            elsewhere=told.elsewhere,
            left=len(left.trials),
        ),
        tasks=_tasks(told),
        parts=_parts(plan),
        basis=estimate.rates.basis,
        measured=estimate.rates.measured,
        device="gpu" if _on_gpu(resources) else "cpu",
        stages=_stages(told),
        computing=round(outcome.busy, 1),
        alone=round(estimate.alone, 1),
        hours=round(outcome.busy / 3600 * _given(resources), 3),
        workers=estimate.workers,
        wall=round(outcome.wall, 1),
        critical_path=round(estimate.critical_path, 1),
        disk=disk(left, estimate.prices, told.pictures),
        warnings=warnings,
        left_out=told.left_out,
        runs=_runs(told),
    )


def _on_gpu(resources: Resources) -> bool:
    return resources.gpus_per_trial > 0 and resources.device != "cpu"


def _given(resources: Resources) -> float:
    """CPUs or GPUs of a trial."""
    return resources.gpus_per_trial if _on_gpu(resources) else resources.cpus_per_trial


def _tasks(told: Expected) -> Tasks:
    plan, keys = told.plan, told.estimate.left.keys
    trained = told.estimate.outcome.trained
    return Tasks(
        asked=sum(len(trial.sequence) * (1 + len(trial.also)) for trial in plan.trials),
        in_trials=sum(len(trial.sequence) for trial in plan.trials),
        distinct=len({key for tasks in keys.tasks.values() for key in tasks}),
        stored=told.stored,
        to_train=sum(map(len, trained.values())),
        twice=sum(len(each) - 1 for each in trained.values()),
    )


def _parts(plan: Plan) -> tuple[Part, ...]:
    """Study by study, of the outermost union."""
    asked, distinct, new = Counter[str](), Counter[str](), Counter[str]()
    for trial in plan.trials:
        names = [_part(plan, axes) for axes in (trial.axes, *trial.also)]
        asked.update(names)
        distinct.update(set(names))
        new[names[0]] += 1
    return tuple(
        Part(name=name, asked=asked[name], distinct=distinct[name], new=new[name])
        for name in plan.study.parts
    )


def _part(plan: Plan, axes: dict[str, str]) -> str:
    path = axes.get("part", "")
    return next((n for n in plan.study.parts if path == n or path.startswith(f"{n}/")), "")


def _bases(told: Expected) -> set[str]:
    """Keys of tasks that are trained as a base."""
    left = told.estimate.left
    return {
        left.keys.tasks[trial.key][index]
        for trial in left.trials
        for index in range(len(trial.sequence) if trial.config.separate else 1)
    }


def _stages(told: Expected) -> tuple[Seconds, ...]:
    left, outcome = told.estimate.left, told.estimate.outcome
    begin = told.estimate.prices.begin
    bases = _bases(told)
    by_kind = {
        kind: [s for key, each in outcome.trained.items() if (key in bases) is own for s in each]
        for kind, own in (("base", True), ("adapter", False))
    }
    by_kind = {
        "starting": [begin] * len(left.trials) if begin else [],
        "features": list(outcome.features.values()),
        **by_kind,
        "besides": list(outcome.besides.values()),
    }
    return tuple(
        Seconds(kind=kind, stages=len(each), seconds=round(fsum(each), 1))
        for kind, each in by_kind.items()
    )


def _runs(told: Expected) -> tuple[Run, ...]:
    outcome = told.estimate.outcome
    trials = {trial.key: trial for trial in told.estimate.left.trials}
    return tuple(_run(place, trials[key], told) for place, key in enumerate(outcome.roles, start=1))


def _run(place: int, trial: Trial, told: Expected) -> Run:
    outcome = told.estimate.outcome
    return Run(
        place=place,
        trial=trial.key,
        axes=trial.axes,
        seed=trial.seed,
        sequence=trial.sequence,
        role=outcome.roles[trial.key],
        ends=round(outcome.ended[trial.key], 1),
    )
