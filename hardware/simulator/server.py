"""One process, one thread: sockets, UARTs and the board's time in one loop."""

import selectors
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hardware.simulator import control
from hardware.simulator.board import Board
from hardware.simulator.clock import Action
from hardware.simulator.places import place_socket, remove_socket
from hardware.simulator.wire import encode_reply, take_request

I2C_SOCKET = "i2c.sock"
#: A client that does not take its answer for so long is cut off, so that it cannot hold up the board.
_SEND_TIMEOUT_SECONDS = 1.0
_LONGEST_LINE_BYTES = 65_536


class Connection:
    """A client; `take(connection)` is called whenever bytes were added to `received`."""

    def __init__(self, client: socket.socket, take: Callable[["Connection"], None]) -> None:
        client.settimeout(_SEND_TIMEOUT_SECONDS)
        self.socket = client
        self.received = bytearray()
        self.take = take
        self.is_open = True

    def send(self, data: bytes) -> None:
        """Send an answer; a client that is gone or does not listen loses its connection."""
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_open = False


class Server:
    """Serves one board until it is told to stop."""

    def __init__(self, board: Board, directory: Path, selector: selectors.BaseSelector) -> None:
        """Bind the sockets in `directory`; raises OSError.

        `selector` may carry more than the server's own, each key with the action as its data.
        """
        self._board = board
        self._directory = directory
        self._selector = selector
        self._watched_uarts: dict[Action, int] = {}
        self._is_stopping = False
        self.i2c_path = self._listen(I2C_SOCKET, self._take_transfers)
        self.control_path = self._listen(control.CONTROL_SOCKET, self._take_commands)
        self._watch_uarts()

    def stop_on_signals(self) -> None:
        """Stop the loop at SIGTERM or SIGINT; call it from the main thread."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        self._selector.register(woken, selectors.EVENT_READ, partial(woken.recv, 64))
        self._wake = wake
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self.stop())

    def stop(self) -> None:
        """Make `serve` return."""
        self._is_stopping = True

    def serve(self) -> None:
        """Serve until `stop`; on any exit remove the sockets. Raises OSError when the trace cannot be written."""
        scheduler = self._board.scheduler
        try:
            while not self._is_stopping:
                events = self._selector.select(scheduler.seconds_until_next())
                # What is due comes first: a process that was held up must not mistake a long press for a short one.
                scheduler.run_due()
                for key, _ in events:
                    key.data()
        finally:
            self._remove_sockets()

    def _remove_sockets(self) -> None:
        for name in (I2C_SOCKET, control.CONTROL_SOCKET):
            remove_socket(self._directory, name)

    def _listen(self, name: str, take: Callable[[Connection], None]) -> Path:
        path = place_socket(self._directory, name)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener, take))
        return path

    def _accept(self, listener: socket.socket, take: Callable[[Connection], None]) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        connection = Connection(client, take)
        self._selector.register(client, selectors.EVENT_READ, partial(self._receive, connection))

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(65_536)
        except OSError:
            data = b""
        connection.received += data
        if data and connection.is_open:
            connection.take(connection)
        if not data or not connection.is_open:
            connection.is_open = False
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _take_transfers(self, connection: Connection) -> None:
        try:
            while (messages := take_request(connection.received)) is not None:
                self._board.bus.submit(messages, lambda error, data: connection.send(encode_reply(error, data)))
        except ValueError:
            connection.is_open = False

    def _take_commands(self, connection: Connection) -> None:
        while b"\n" in connection.received:
            line, _, rest = connection.received.partition(b"\n")
            connection.received = bytearray(rest)
            reply = control.answer(self._board, bytes(line))
            # Only a command plugs or unplugs a UART; at once, before a new one gets an old one's descriptor number.
            self._watch_uarts()
            connection.send(reply)
        if len(connection.received) > _LONGEST_LINE_BYTES:
            connection.is_open = False

    def _watch_uarts(self) -> None:
        """Follow UARTs as they are plugged and unplugged."""
        for slot in self._board.slots.values():
            if slot.uart is not None:
                self._watch(slot.uart.descriptor, slot.receive)
                self._watch(slot.uart.break_descriptor, slot.receive_breaks)

    def _watch(self, descriptor: int | None, action: Action) -> None:
        watched = self._watched_uarts.get(action)
        if watched == descriptor:
            return
        if watched is not None:
            self._selector.unregister(watched)
            del self._watched_uarts[action]
        if descriptor is not None:
            self._selector.register(descriptor, selectors.EVENT_READ, action)
            self._watched_uarts[action] = descriptor
