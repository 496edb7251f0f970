"""The baseline that a web developer would pick: PyPI's terminado, with `bench.peer` on its terminal.

`python -m bench.terminal_server PORT` serves one terminal for all who come, at /terminal.
"""

import asyncio
import sys

from terminado import SingleTermManager, TermSocket
from tornado.web import Application


async def serve(port: int) -> None:
    manager = SingleTermManager(shell_command=[sys.executable, "-m", "bench.peer"])
    Application([("/terminal", TermSocket, {"term_manager": manager})]).listen(port, "127.0.0.1")
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
