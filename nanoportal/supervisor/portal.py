"""The order in which the portal comes up, stays up and goes down."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware.board import held_expander
from hardware.holds import HoldStore
from nanoportal import broker
from nanoportal.env import Env, EnvironmentProblem, database
from nanoportal.supervisor import addresses, boards, programs
from nanoportal.supervisor.child import Child, Program
from nanoportal.supervisor.crew import Crew, StopAsked
from nanoportal.supervisor.terminal import Terminal
from nanoportal.supervisor.wishes import Wishes

# All are gone 10 s after Ctrl-C; a worker may need 8 s of that to finish a press.
FRONT_ENDS_WITHIN_SECONDS = 9.0
BACK_ENDS_WITHIN_SECONDS = 9.6
START_SECONDS = 60.0


class CannotStart(Exception):
    """The portal does not come up; the text is one sentence."""


class Portal:
    """One running portal: `run` brings it up and returns when it is down again."""

    def __init__(self, env: Env, terminal: Terminal) -> None:
        self._env = env
        self._say = terminal.say
        self._crew = Crew(terminal, env.time_scale)
        self._holds = HoldStore(env.data / "holds")
        self._front: list[Child] = []  # what people and operations use: leaves first
        self._back: list[Child] = []  # what the front stands on: leaves last

    def run(self) -> None:
        """Bring everything up and keep it up until somebody asks to stop.

        Raises `CannotStart`, EnvironmentProblem, BrokerProblem.
        """
        try:
            self._start()
            self._crew.wait_until(lambda: False)
        except StopAsked:
            self._say("Stopping.")
        finally:
            self._stop()

    def _start(self) -> None:
        slugs = self._start_boards()
        broker_answers = self._start_broker()
        report = self._prepare()
        if not self._crew.wait_until(broker_answers, START_SECONDS, turn_seconds=0.02):
            raise CannotStart(f"the broker does not answer; {self._env.data / 'broker.log'} may say why.")
        for program in (
            programs.web(self._env),
            programs.consoles(self._env),
            programs.worker(self._env, slugs, self._release_left_over),
        ):
            self._front.append(self._crew.start(program))
        self._front.append(self._crew.stand_by(programs.flash_worker(self._env, slugs, self._release_left_over)))
        self._crew.listen(Wishes(self._env.data))
        self._crew.wait_until(lambda: addresses.accepts(self._env), turn_seconds=0.05)
        self._greet(report)

    def _start_boards(self) -> list[str]:
        """Release what a dead process left pressed, as soon as the boards can be reached; returns the boards' slugs."""
        files = boards.board_files(self._env)
        if files or self._env.boards_given:
            self._release_left_over()
            self._check_configuration(files)
            boards.remove_demo_file(self._env)
            return [path.stem for path in files]
        self._check_configuration(files)
        simulator = programs.simulator(self._env, lambda answer: boards.write_demo_file(self._env, answer))
        self._first_answer(simulator, self._back, "the simulated board does not come up")
        self._release_left_over()
        return [boards.DEMO]

    def _check_configuration(self, board_files: list[Path]) -> None:
        """Find out what would make a child fail, before there are any. Raises EnvironmentProblem."""
        if self._env.boards_given and not board_files:
            raise EnvironmentProblem(f"NANOPORTAL_BOARDS names {self._env.boards}, which holds no board file (*.toml).")
        if self._env.sim_trace and board_files:
            raise EnvironmentProblem("NANOPORTAL_SIM_TRACE is set, but with board files given no board is simulated.")
        if self._env.sim_peers and board_files:
            raise EnvironmentProblem("NANOPORTAL_SIM_PEERS is set, but with board files given no board is simulated.")
        database(self._env.database_url)
        addresses.check_port(self._env)

    def _start_broker(self) -> Callable[[], bool]:
        """Start a broker if none is configured; returns the question whether it answers."""
        if self._env.redis_url:
            return lambda: True
        self._back.append(self._crew.start(programs.embedded_broker(self._env)))
        listening_on = broker.socket_path(self._env.data)
        return lambda: broker.answers(listening_on)

    def _prepare(self) -> dict[str, Any]:
        return self._first_answer(programs.prepare(self._env), self._front, "the database could not be prepared")

    def _first_answer(self, program: Program, group: list[Child], failure: str) -> dict[str, Any]:
        """Start a program and wait for what it answers. Raises `CannotStart` when it ends or is silent instead."""
        child = self._crew.start(program)
        group.append(child)
        self._crew.wait_until(lambda: child.answer is not None or child.deaths > 0, START_SECONDS)
        if child.answer is None:
            raise CannotStart(f"{failure}; the lines above may say why.")
        return child.answer

    def _release_left_over(self) -> None:
        """Release every button line whose presser is dead: at the start and at each death of the worker."""
        report = self._holds.release_left_over(held_expander(self._env.data))
        for released in report.released:
            hold = released.hold
            self._say(f"Released the button of slot {hold.slot} on {hold.board}, left pressed by a process that died.")
        for unreleased in report.unreleased:
            self._say(f"A button may still be pressed ({unreleased.file}): {unreleased.reason}")

    def _greet(self, report: dict[str, Any]) -> None:
        urls = addresses.portal_urls(self._env)
        for url in urls:
            self._say(f"NanoPortal is at {url}")
        if self._env.tls.is_own:
            self._say(
                f"Its certificate is its own: {urls[0]}tls/ says how to trust it, `manage.py tls` what to compare."
            )
        if report["setup_token"]:
            self._say("It has no administrator yet. Set it up, once and within 60 minutes, at:")
            for url in urls:
                self._say(f"  {url}setup/{report['setup_token']}/")
        simulated = [board["slug"] for board in report["boards"] if board["simulated"]]
        if simulated:
            self._say(f"Simulated, not real: {', '.join(simulated)}. Ctrl-C stops everything.")

    def _stop(self) -> None:
        now = time.monotonic()
        self._crew.end(self._front, now + FRONT_ENDS_WITHIN_SECONDS)
        self._crew.end(self._back, now + BACK_ENDS_WITHIN_SECONDS)
