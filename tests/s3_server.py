"""An S3 server for tests and benchmarks: moto in a process of its own, on a free loopback port."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from demo.ports import unused_port
from tests.api.support import end_process

HOST = "127.0.0.1"
#: Seconds to wait for the server to start; it takes about a second.
STARTUP_TIMEOUT = 180
#: Requests that create the first user, before policies are enforced.
_BEFORE_POLICIES = 3


class S3Server:
    """
    An S3 server that runs inside a ``with`` block. It checks signatures and policies.

    :param log: File of its output.
    """

    #: The credentials of a user who may do anything.
    admin = ("unchecked", "unchecked")

    def __init__(self, log: Path) -> None:
        self.port = unused_port()
        self.url = f"http://{HOST}:{self.port}"
        self._log = log
        self._users = self._buckets = 0

    def __enter__(self) -> S3Server:
        command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port)]
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_BEFORE_POLICIES)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + STARTUP_TIMEOUT
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"The S3 server did not start:\n{self._log.read_text()}")
            time.sleep(0.02)
        self.admin = self.user_who_may("*")
        return self

    def __exit__(self, *error: object) -> None:
        end_process(self._process)

    def _accepts(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), 1).close()
        except OSError:
            return False
        return True

    def client(self, service: str = "s3") -> Any:
        """Return a client of botocore that may do anything."""
        import botocore.session

        return botocore.session.get_session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=self.admin[0],
            aws_secret_access_key=self.admin[1],
        )

    def connection(self, credentials: tuple[str, str] | None = None, **extra: Any) -> str:
        """Return an Airflow connection to it, as JSON; by default, one that may do anything."""
        login, password = credentials or self.admin
        fields = {"conn_type": "aws", "login": login, "password": password}
        return json.dumps(fields | {"extra": {"endpoint_url": self.url, "region_name": "us-east-1", **extra}})

    def user_who_may(self, *actions: str, resource: str = "*") -> tuple[str, str]:
        """Create a user with a policy and return the credentials."""
        iam, name = self.client("iam"), f"user-{self._users}"
        self._users += 1
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def new_bucket(self) -> str:
        """Create a bucket and return its name."""
        self._buckets += 1
        self.client().create_bucket(Bucket=f"bucket-{self._buckets}")
        return f"bucket-{self._buckets}"

    def objects(self, bucket: str) -> list[str]:
        """Return the keys of all objects."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def unfinished_uploads(self, bucket: str) -> list[str]:
        """Return the keys of unfinished multipart uploads."""
        return [each["Key"] for each in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
