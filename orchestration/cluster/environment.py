"""Variables of the environment that Ray's processes, and ours, must be started with."""

from orchestration.studies.terms import Resources

DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Without it torch refuses matrix products on a GPU when only deterministic ones are allowed."""


OWN_CLUSTER = {
    "RAY_AUTH_MODE": "token",
    # By the name that Ray gives it on two systems; on all, a cluster of one machine then listens on
    # 127.0.0.1 alone, which `_node_ip_address` does not bring about.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""What Ray must know, when it is imported, to start a cluster that nobody else can use."""


def quiet_environment(resources: Resources) -> dict[str, str]:
    """Variables that the CLI sets before Ray is imported, and every worker gets."""
    threads = str(resources.threads)
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # A driver below `uv run` would have each worker started by uv, in a copy of this folder.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # Trials are what the machine is for: they get the driver's own priority, not nice 15.
        "RAY_worker_niceness": "0",
        # Ray starts without waiting for workers: it would wait for ever for one that has died.
        "RAY_prestart_worker_first_driver": "0",
        # Nothing that Ray says of lost workers and nodes is printed: the ledger tells of it.
        "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # Without it Tune waits ten seconds for busy trials before it ends them.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        # Tune's own state is never read: no snapshot of it but the one at the end.
        "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        **DETERMINISTIC,
        # No process that is started imports modules from the folder that it is started in.
        "PYTHONSAFEPATH": "1",
        **({} if resources.address else OWN_CLUSTER),
    }
