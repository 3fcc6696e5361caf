"""A real object store on the loopback interface: moto's S3, a program of its own thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BUCKET = "models-and-data"


class Bucket:
    """A bucket of a server."""

    def __init__(self, client: object) -> None:
        self.client = client
        self.url = f"s3://{BUCKET}"

    def put(self, key: str, content: bytes, **how: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content, **how)

    def put_tree(self, key: str, folder: Path) -> str:
        """Stores a file, or all files of a folder, and returns the URL."""
        for path in [folder] if folder.is_file() else [p for p in folder.rglob("*") if p.is_file()]:
            inside = "" if path == folder else f"/{path.relative_to(folder).as_posix()}"
            self.put(key + inside, path.read_bytes())
        return f"{self.url}/{key}"

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]


@contextmanager
def object_store() -> Iterator[Bucket]:
    """Starts a server, and names it in the environment, as users do."""
    if not os.environ.get("CI"):
        pytest.importorskip("moto")
        pytest.importorskip("s3fs")
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        try:
            yield Bucket(client)
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.stop()
