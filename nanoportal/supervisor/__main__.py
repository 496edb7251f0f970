"""`python -m nanoportal.supervisor`: the whole portal in the foreground, until Ctrl-C."""

import sys

from nanoportal.broker import BrokerProblem
from nanoportal.env import EnvironmentProblem, load_env
from nanoportal.supervisor.instance import DataInUse, hold_data
from nanoportal.supervisor.portal import CannotStart, Portal
from nanoportal.supervisor.terminal import Terminal

CANNOT_START = 2


def main() -> int:
    terminal = Terminal()
    try:
        if sys.argv[1:]:
            raise EnvironmentProblem("it takes no arguments; NANOPORTAL_PORT, NANOPORTAL_BIND and the like say it all.")
        env = load_env()
        hold_data(env.data)
        Portal(env, terminal).run()
    except (EnvironmentProblem, DataInUse, BrokerProblem, CannotStart) as problem:
        terminal.say(f"NanoPortal does not start: {problem}")
        return CANNOT_START
    except OSError as error:
        terminal.say(f"NanoPortal does not start: {error.filename or 'the system'}: {error.strerror}.")
        return CANNOT_START
    terminal.say("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
