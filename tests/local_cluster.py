"""A Ray cluster of several nodes on this machine, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent

SCRIPT = """
import json
import os
import sys
import tempfile
import threading

folder = tempfile.mkdtemp(prefix="mf-", dir="/tmp")
os.environ["RAY_TMPDIR"] = folder
os.mkdir(folder + "/ray")
import ray
from ray.cluster_utils import Cluster

head, *others = json.loads(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **head})
nodes = [cluster.head_node, *(cluster.add_node(**node) for node in others)]
raylets = [node.all_processes["raylet"][0].process for node in nodes]
for raylet in raylets:
    # Workers look whether their raylet runs: one that was killed must not stay as a zombie.
    threading.Thread(target=raylet.wait, daemon=True).start()
told = {"folder": folder, "address": cluster.address, "raylets": [r.pid for r in raylets]}
print(json.dumps(told), flush=True)
sys.stdin.readline()
ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
print(json.dumps({"alive": sum(node["Alive"] for node in ray.nodes())}), flush=True)
ray.shutdown()
cluster.shutdown()
"""


@dataclass(frozen=True)
class LocalCluster:
    """What is told of a cluster that runs."""

    process: subprocess.Popen[str]
    address: str
    raylets: tuple[int, ...]
    """Process of each node's raylet, in the order of the nodes."""

    def end(self) -> int:
        """End it; returns how many of its nodes were still alive."""
        said, _ = self.process.communicate("end\n", timeout=60)
        return int(json.loads(said)["alive"])


@contextmanager
def local_cluster(
    nodes: Sequence[dict[str, Any]],
    python: str = sys.executable,
    code: Path | None = TOP,
    more: Mapping[str, str] | None = None,
) -> Generator[LocalCluster]:
    """Nodes with declared resources, the first being the head.

    Args:
        nodes: arguments of `ray.cluster_utils.Cluster.add_node`.
        code: folder from which workers import our packages; None: from nowhere.
        more: variables of the environment of all its processes.
    """
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(code)} if code else {}
    environment |= more or {}
    process = subprocess.Popen(
        [python, "-c", SCRIPT, json.dumps(list(nodes))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd="/",
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    told = json.loads(line)
    cluster = LocalCluster(process, told["address"], tuple(told["raylets"]))
    try:
        yield cluster
        if process.poll() is None:
            cluster.end()
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(told["folder"], ignore_errors=True)
