"""What each child of the supervisor runs: command lines, environment, and what becomes of it if we die."""

import signal
import sys
from collections.abc import Callable
from typing import Any

from nanoportal import broker
from nanoportal.env import Env
from nanoportal.supervisor import boards
from nanoportal.supervisor.child import Program

WORKER_THREADS = 16
FLASH_THREADS = 4  # one more than the runs that are taken at once: a message that finds nothing waits for none of them
# Two heaps are enough for each process; the C library would take eight per core and keep them.
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


def simulator(env: Env, on_answer: Callable[[dict[str, Any]], None]) -> Program:
    """The simulated board; it answers with its addresses."""
    trace = ("--trace", str(env.sim_trace)) if env.sim_trace else ()
    peers = tuple(word for peer in env.sim_peers for word in ("--peer", peer))
    return Program(
        "simulator",
        _python("hardware.simulator", "--data", str(env.data), "--board", boards.DEMO, *trace, *peers),
        environment=_environment(env),
        answers=True,
        on_answer=on_answer,
        consequence=" The simulated board has lost power.",
    )


def embedded_broker(env: Env) -> Program:
    """The broker of this data directory. Raises broker.BrokerProblem when there is no program for it."""
    listen_on = broker.prepare_socket(env.data)
    return Program("broker", tuple(broker.command(env.data, listen_on)))


def prepare(env: Env) -> Program:
    """Migrates the database and enters the boards; it answers with the set-up token and the boards."""
    return Program("prepare", _manage("prepare"), environment=_environment(env), restarts=False, answers=True)


def web(env: Env) -> Program:
    command = _python("nanoportal.web", "--bind", env.bind, "--port", str(env.port))
    return Program("web", command, environment=_environment(env))


def worker(env: Env, board_slugs: list[str], on_death: Callable[[], None]) -> Program:
    """One worker for all boards. It alone outlives us for as long as it needs to release what it holds."""
    queues = [f"hardware@{slug}" for slug in board_slugs]
    return Program(
        "worker",
        _celery(env.worker, queues, WORKER_THREADS),
        death_signal=signal.SIGTERM,
        environment=_worker_environment(env, env.worker),
        on_death=on_death,
    )


def flash_worker(env: Env, board_slugs: list[str], on_death: Callable[[], None]) -> Program:
    """What may take an hour, apart from what may not wait: started by the first flash, gone when there is none."""
    name = f"{env.worker}-flash"
    return Program(
        "flash",
        _celery(name, [f"flash@{slug}" for slug in board_slugs], FLASH_THREADS),
        death_signal=signal.SIGTERM,
        environment={**_worker_environment(env, name), "NANOPORTAL_WORKER_KIND": "flash"},
        on_death=on_death,
        on_demand=True,
        consequence=" What it was writing is not whole.",
    )


def _celery(name: str, queues: list[str], threads: int) -> tuple[str, ...]:
    options = ["--pool", "threads", "--concurrency", str(threads), "--prefetch-multiplier", "1"]
    options += ["--queues", ",".join(queues), "--hostname", name]
    options += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return _python("celery", "--quiet", "--app", "nanoportal", "worker", *options)


def _worker_environment(env: Env, name: str) -> dict[str, str]:
    return {
        **_environment(env),
        "NANOPORTAL_WORKER": name,
        "PYTHONWARNINGS": "ignore:You're running the worker",  # as root: Celery's advice fits another command line
    }


def consoles(env: Env) -> Program:
    return Program("consoled", _manage("consoled"), environment=_environment(env))


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _manage(command: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", command)


def _environment(env: Env) -> dict[str, str]:
    """The portal's own variables as we understood them, so that no child can understand them otherwise."""
    return {
        **ENVIRONMENT,
        "NANOPORTAL_DATA": str(env.data),
        "NANOPORTAL_BIND": env.bind,
        "NANOPORTAL_PORT": str(env.port),
    }
