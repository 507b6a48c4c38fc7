"""One php-fpm behind one nginx in a directory of their own, on free ports of loopback."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile

from browser import Browser, InBackground, Visitor
from checks import expect, wait_for
from processes import children_of, descendants_of, gone_within, kill_all

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKERS = 4

# What the kernel shows in /proc/PID/syscall of a process that waits on a futex: futex and futex_waitv.
FUTEX_CALLS = {"x86_64": {"202", "449"}, "aarch64": {"98", "449"}}[os.uname().machine]


def free_ports(number):
    """Ports of loopback that nobody listens on, all different. They lie below those that the system gives to outgoing
    connections, and below those of the Redis store's tests: a server that is started again finds its port free."""
    with contextlib.ExitStack() as probes:
        found = []
        for port in random.SystemRandom().sample(range(2000, 12000), 10000):
            if len(found) == number:
                break
            probe = probes.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        return found


def free_port():
    """A port of loopback that nobody listens on."""
    return free_ports(1)[0]


def program(name):
    """Where a program is; Debian keeps servers outside of an ordinary user's PATH."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: scripts/install-deps run test")
    return path


class Site:
    """The servers, the files they serve and the sessions they keep."""

    def __init__(self, workers=WORKERS, ports=1):
        self.number_of_workers = workers
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cloakroom-e2e."))
        self.dir.chmod(0o755)
        self.ports = free_ports(ports)
        self.port = self.ports[0]
        self.fpm = None
        self.nginx = None
        self.signals = self.dir / "signals"
        self.signals.mkdir()
        self.signals.chmod(0o777)
        shutil.copytree(ROOT / "demo", self.dir / "www")
        shutil.copytree(ROOT / "tests/e2e/app", self.dir / "www/public/t")
        extension = os.environ.get("EXTENSION", ROOT / "target/release/libcloakroom.so")
        shutil.copyfile(extension, self.dir / "cloakroom.so")
        subprocess.run(
            [ROOT / "scripts/web-config", self.dir, ",".join(map(str, self.ports)), str(workers)],
            check=True,
            stdin=subprocess.DEVNULL,
        )

    def visitor(self):
        return Visitor(self.port)

    def client(self):
        return Browser(self.port)

    def workers(self):
        """The process ids of php-fpm's workers."""
        return sorted(children_of(self.fpm.pid)) if self.fpm else []

    def store_files(self):
        """The stores that lie in the save_path."""
        return sorted((self.dir / "sessions").glob("cloakroom-*.store"))

    def store_file(self):
        """The file in which the workers keep the sessions."""
        found = self.store_files()
        expect(len(found) == 1, f"expected one store file, found {len(found)}")
        return found[0]

    def log(self):
        """What PHP has logged so far."""
        return (self.dir / "log/php.log").read_text(errors="replace")

    def end_of_logs(self):
        """The last lines of every log, for a failure."""
        lines = []
        for path in sorted((self.dir / "log").iterdir()):
            lines += [f"    {path.name}: {line[:300]}" for line in path.read_text(errors="replace").splitlines()[-4:]]
        return "\n".join(lines)

    def start(self):
        """Starts both servers and returns when they answer."""
        for name in ("php-fpm.sock", "php-fpm.pid", "nginx.pid"):
            (self.dir / name).unlink(missing_ok=True)
        with open(self.dir / "log/servers.log", "ab") as log:
            self.fpm = subprocess.Popen(
                [program("php-fpm8.2"), "--nodaemonize", "--php-ini", self.dir / "php.ini"]
                + ["--fpm-config", self.dir / "php-fpm.conf"],
                env=os.environ | {"PHP_INI_SCAN_DIR": ""},
                **self._detached(log),
            )
            self.nginx = subprocess.Popen(
                [program("nginx"), "-p", self.dir, "-e", "stderr", "-c", self.dir / "nginx.conf"], **self._detached(log)
            )
        wait_for(self._answers, "the servers answer", 20)
        wait_for(lambda: len(self.workers()) == self.number_of_workers, "all workers run")

    @staticmethod
    def _detached(log):
        return {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "start_new_session": True}

    def _answers(self):
        try:
            return Browser(self.port).get("/icon.svg").status == 200 and (self.dir / "php-fpm.sock").exists()
        except OSError:
            return False

    def ensure_running(self):
        """Starts what a case before has ended."""
        if self.fpm is None or self.fpm.poll() is not None or self.nginx.poll() is not None:
            self.kill_everything()
            self.start()

    def reload(self):
        """SIGUSR2: php-fpm reads its configuration again, with workers that are all new."""
        before = set(self.workers())

        def all_new():
            now = set(self.workers())
            return len(now) == self.number_of_workers and not before & now

        self.fpm.send_signal(signal.SIGUSR2)
        wait_for(all_new, "the workers are new ones", 20)

    def stop(self):
        """Stops both servers as an administrator does."""
        for server, order in ((self.nginx, signal.SIGTERM), (self.fpm, signal.SIGQUIT)):
            family = descendants_of(server.pid)
            server.send_signal(order)
            server.wait(20)
            expect(gone_within(family, 10), "a stopped server left a process behind")

    def kill_everything(self):
        """SIGKILL for masters and workers alike."""
        for server in (self.fpm, self.nginx):
            if server is not None:
                kill_all(descendants_of(server.pid))
                server.wait(10)

    def waiters(self, besides):
        """The workers that sleep until a lock becomes free, but those named."""
        asleep = []
        for pid in self.workers():
            try:
                call = pathlib.Path(f"/proc/{pid}/syscall").read_text().split()[0]
            except OSError:
                continue
            if call in FUTEX_CALLS and pid not in besides:
                asleep.append(pid)
        return asleep

    def wait_for_waiters(self, number, besides):
        """Answers the waiting workers as soon as there are `number` of them."""

        def enough():
            found = self.waiters(besides)
            return found if len(found) == number else None

        return wait_for(enough, f"{number} workers wait for a lock")

    def hold(self, browser, name, **query):
        """Begins a request that holds the session; answers the running request and the worker's process id."""
        return self.stop_at(browser, "/t/hold.php", name, **query)

    def stop_at(self, browser, path, name, **query):
        """Begins a request that stops where its page says; answers the running request and the worker's process id."""
        request = InBackground(browser.get, path, signal=name, **query)
        held = self.signals / f"{name}.held"
        wait_for(lambda: held.exists() or not request.running(), "a request stops")
        expect(held.exists(), "the request that should stop ended")
        return request, int(held.read_text())

    def release(self, name):
        """Lets a holding request go on."""
        (self.signals / f"{name}.go").touch()

    def release_all(self):
        """Lets every holding request go on."""
        for held in self.signals.glob("*.held"):
            held.with_suffix(".go").touch()

    def remove(self):
        """Ends everything and removes the directory."""
        self.kill_everything()
        shutil.rmtree(self.dir, ignore_errors=True)
