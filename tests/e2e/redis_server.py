"""A redis-server of a test's own on a Unix socket. It writes down each command, so that a kill loses nothing."""

import os
import signal
import socket
import subprocess

from checks import wait_for
from servers import program


class RedisServer:
    """The server; its files are in `directory`, which is made."""

    def __init__(self, directory):
        self.directory = directory
        self.socket = directory / "socket"
        self.process = None
        directory.mkdir()
        directory.chmod(0o755)

    def address(self, **options):
        """The session.save_path that leads here."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"redis+unix://{self.socket}" + (f"?{query}" if query else "")

    def start(self):
        """Starts it with what it had, and returns when it answers."""
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": self.socket,
            "unixsocketperm": "777",
            "dir": self.directory,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "logfile": self.directory / "log",
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [program("redis-server"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers, "redis-server answers", 20)

    def _answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(os.fspath(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        except OSError:
            return False

    def pause(self):
        """It keeps its connections and answers nobody."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None
