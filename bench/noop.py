"""The baseline of `bench.power`: a Celery task that notes when it ran, on the portal's own broker."""

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(task_ignore_result=True, worker_enable_remote_control=False, worker_send_task_events=False)


@app.task(name="bench.noop", ignore_result=True)
def noop(path: str) -> None:
    """Append the time of the run to `path`."""
    now = time.monotonic()
    with open(Path(path), "a") as stream:
        stream.write(f"{now}\n")
