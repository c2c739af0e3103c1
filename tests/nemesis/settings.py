"""Where studies run when things break: a process, two, Ray, a cluster, servers behind a proxy."""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tests.local_cluster import local_cluster
from tests.nemesis.arena import Arena
from tests.nemesis.proxy import Proxy
from tests.nemesis.zygote import SHIM, TOP, Zygote
from tests.orchestration.tracking.stores import Server, served

SECRETS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NODES = [{"num_cpus": 0}, *[{"num_cpus": 1}] * 3]
"""A head and three nodes with room for one trial each."""


@final
@dataclass
class Servers:
    """Those that schedules share, started when one of them needs it."""

    stack: ExitStack
    place: Path
    started_zygote: Zygote | None = None
    started_tracker: Server | None = None
    started_bucket: int = 0

    @property
    def zygote(self) -> Zygote:
        if self.started_zygote is None:
            self.started_zygote = self.stack.enter_context(Zygote())
        return self.started_zygote

    @property
    def tracker(self) -> Server:
        if self.started_tracker is None:
            folder = self.place / "tracker"
            folder.mkdir()
            self.started_tracker = self.stack.enter_context(served(folder))
        return self.started_tracker

    @property
    def bucket(self) -> int:
        """The port of a server of S3 with a bucket."""
        if not self.started_bucket:
            from moto.server import ThreadedMotoServer
            from pyarrow.fs import S3FileSystem

            os.environ.update(SECRETS)
            logging.getLogger("werkzeug").setLevel(logging.ERROR)
            server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            server.start()
            self.stack.callback(server.stop)
            host, port = server.get_host_and_port()
            place, creates = f"{host}:{port}", {"allow_bucket_creation": True}
            files = S3FileSystem(endpoint_override=place, scheme="http", **creates)
            files.create_dir("bucket")
            self.started_bucket = int(port)
        return self.started_bucket


@contextmanager
def furnished(setting: str, arena: Arena, servers: Servers) -> Iterator[None]:
    """What a setting needs, beside the folder."""
    with_ray = setting in ("ray", "nodes")
    arena.zygote = servers.zygote
    arena.options = ("--max-retries", "9") if with_ray else ("--runner", "inline")
    arena.database = arena.root.mlflow_db
    with ExitStack() as stack:
        match setting:
            case "rivals":
                arena.studies = ("undying", "rival")
            case "nodes":
                path = f"{SHIM}{os.pathsep}{TOP}"
                more = {"NEMESIS": str(arena.state), "PYTHONPATH": path}
                arena.make()
                here = stack.enter_context(local_cluster(NODES, code=None, more=more))
                arena.raylets = here.raylets[1:]
                arena.options = (*arena.options, "--address", here.address)
            case "tracker":
                proxy = stack.enter_context(Proxy(servers.tracker.port))
                arena.proxies = {"tracker": proxy}
                arena.uri = f"http://127.0.0.1:{proxy.port}"
                arena.options = (*arena.options, "--mlflow-uri", arena.uri)
                arena.studies = (f"undying-{uuid.uuid4().hex[:8]}",)
                arena.database = servers.place / "tracker" / "server.db"
            case "bucket":
                proxy = stack.enter_context(Proxy(servers.bucket))
                arena.proxies = {"bucket": proxy}
                query = f"endpoint_override=127.0.0.1:{proxy.port}&scheme=http"
                place = f"s3://bucket/{uuid.uuid4().hex}/store?{query}"
                arena.options = (*arena.options, "--store", place)
                arena.more = SECRETS
            case _:
                pass
        arena.make()
        try:
            yield
        finally:
            arena.end_all([])
