"""What answers on a simulated SOM's console once it has booted: a log-in and a shell with a handful of commands."""

from collections.abc import Callable

from hardware.simulator.boot_text import login_prompt


class LoginConsole:
    """Echoes, asks for a name and a password (any will do), and then takes commands.

    `act(command)` is called for `poweroff` and `reboot`.
    """

    def __init__(self, hostname: str, say: Callable[[str], None], act: Callable[[str], None]) -> None:
        self._hostname = hostname
        self._say = say
        self._act = act
        self.forget()

    def forget(self) -> None:
        """Be back at the log-in, as after a boot."""
        self._line = ""
        self._state = "name"
        self._last = ""

    def feed(self, data: bytes) -> None:
        """Take what somebody typed."""
        for character in data.decode("latin-1"):
            after_return, self._last = self._last == "\r", character
            if character == "\n" and after_return:
                continue
            self._take(character)

    def _take(self, character: str) -> None:
        if character in "\r\n":
            line, self._line = self._line, ""
            self._say("\r\n")
            self._enter(line)
        elif character in "\x7f\b":
            if self._line:
                self._line = self._line[:-1]
                self._echo("\b \b")
        elif character == "\x03":
            self._line = ""
            self._say("^C\r\n")
            self._prompt()
        elif character >= " " and len(self._line) < 256:
            self._line += character
            self._echo(character)

    def _echo(self, text: str) -> None:
        if self._state != "password":
            self._say(text)

    def _enter(self, line: str) -> None:
        if self._state == "name":
            self._state = "password" if line else "name"
        elif self._state == "password":
            self._state = "shell"
        else:
            self._run(line.split())
        self._prompt()

    def _prompt(self) -> None:
        prompts = {
            "name": login_prompt(self._hostname),
            "password": "Password: ",
            "shell": f"root@{self._hostname}:~# ",
            "leaving": "",
        }
        self._say(prompts[self._state])

    def _run(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["poweroff" | "reboot" as command]:
                self._state = "leaving"
                self._act(command)
            case ["exit"]:
                self.forget()
            case ["echo", *rest]:
                self._say(" ".join(rest) + "\r\n")
            case ["hostname"]:
                self._say(self._hostname + "\r\n")
            case [command, *_]:
                self._say(f"sh: {command}: not found (echo, exit, hostname, poweroff, reboot)\r\n")
