#!/usr/bin/env bash
# A study on a Slurm cluster: one Ray node per Slurm node, the driver on the first.
#
#     sbatch slurm.sh            and, after the time limit or a failure, the same again: it resumes
#     sbatch --requeue --export=ALL,MOLEFLOW_REQUEUE=yes slurm.sh     goes on after the limit by itself
#
# Tried: the whole script with a real Ray head, worker and study, where `srun` and `scontrol` were
# stand-ins that run commands on one machine (tests/orchestration/cluster/test_cluster_files.py).
# Not tried: on a Slurm installation.
#
# Change: the #SBATCH lines, the five settings below, and the options of `moleflow run`.

#SBATCH --job-name=moleflow
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --mem=128G
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
# Five minutes before the end this script, and nobody else, is told: running stages end cleanly.
#SBATCH --signal=B:USR1@300

# Each job in the background gets a process group, and with it Ctrl-C's default meaning.
set -m -u

ROOT=${MOLEFLOW_ROOT:-/shared/runs}      # a folder that all nodes see and can write
DATA=${MOLEFLOW_DATA:-/shared/data}      # the classes; see `moleflow data check`
ENVIRONMENT=${MOLEFLOW_ENVIRONMENT:-/shared/moleflow/.venv}   # the same on all nodes
GPUS=${SLURM_GPUS_ON_NODE:-0}            # of each node, given to Ray
REQUEUE=${MOLEFLOW_REQUEUE:-no}          # yes: after the time limit the job queues again

PATH=$ENVIRONMENT/bin:$PATH
study=(
    moleflow run task_order --data "$DATA" --root "$ROOT" --profile main
    --orders 5 --seeds 3 --gpus-per-trial 0.5
)

# Only who knows this token can use the cluster: other users' jobs may run on the same network.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0
# Since Slurm 22.05 steps do not take this over from the job by themselves.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts[0]}
# The last of several addresses; a port of the job's own, below those that Ray gives to workers.
ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $NF}')
port=$((6400 + SLURM_JOB_ID % 3000))
address=$ip:$port
# Socket paths lie below it, so it must be short; on the node's own disk. Ray lets everybody write
# to its folder, so that lies in one which nobody else may enter.
scratch=/tmp/mf-$SLURM_JOB_ID
ray=(--num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="$GPUS" --temp-dir="$scratch/ray" --block)

steps=()
end_cluster() {
    # Ends our own steps, by their process ids: `ray stop` would end every Ray of ours on a host
    # that jobs share.
    trap '' USR1 TERM
    ((${#steps[@]})) && kill -TERM "${steps[@]}" 2>/dev/null
    wait
    srun --overlap --nodes="${#hosts[@]}" --ntasks="${#hosts[@]}" rm -rf "$scratch"
}
# Its name can be guessed: where somebody else's is there, this does not go on.
srun --overlap --nodes="${#hosts[@]}" --ntasks="${#hosts[@]}" \
    bash -c 'rm -rf "$1" && mkdir -m 700 "$1"' - "$scratch" || exit 1
trap end_cluster EXIT

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$ip" --port="$port" --include-dashboard=false \
    "${ray[@]}" >/dev/null &
steps+=($!)
if ((${#hosts[@]} > 1)); then
    workers=$((${#hosts[@]} - 1))
    for _ in {1..60}; do
        (exec 3<>"/dev/tcp/$ip/$port") 2>/dev/null && break
        sleep 1
    done
    srun --overlap --nodes="$workers" --ntasks="$workers" --exclude="$head" \
        ray start --address="$address" "${ray[@]}" >/dev/null &
    steps+=($!)
fi

# Waits for all nodes; ends the job where one does not see the root or the data.
moleflow doctor --address "$address" --nodes "${#hosts[@]}" --root "$ROOT" --data "$DATA" || exit 1

# INT is what Ctrl-C sends: the driver ends its trials, keeps the ledger and says how to resume.
ended_by='' driver=''
interrupt() { [[ -z $driver ]] || kill -INT "$driver" 2>/dev/null; }
trap 'ended_by=limit; interrupt' USR1
trap 'ended_by=${ended_by:-cancelled}; interrupt' TERM
"${study[@]}" --address "$address" &
driver=$!
[[ -z $ended_by ]] || interrupt # told before there was anything to tell
# A signal that is trapped interrupts `wait`; asked once more, it tells the driver's own exit code.
wait "$driver"
while kill -0 "$driver" 2>/dev/null; do
    wait "$driver"
done
wait "$driver"
code=$?

# 130: the study was interrupted, by the time limit and not by `scancel`. Slurm ends what is left of
# a job that it requeues, so nothing may be left.
if [[ $REQUEUE = yes && $ended_by = limit && $code -eq 130 ]]; then
    trap - EXIT
    end_cluster
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
