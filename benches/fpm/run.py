#!/usr/bin/env python3
"""Requests a second and latency through nginx and php-fpm, with one session handler after the other.

usage: benches/fpm/run.py [--quick] [--check] [--markdown] [--rounds N] [--seconds S]

One nginx, and for each handler a php-fpm of its own with 8 workers; wrk sends requests over 16 connections for 1,000
visitors. The handlers take turns, round by round. Every session holds a counter: unless the counters add up to the
requests that were answered, the run fails. Environment: CLOAKROOM_SO (the built extension), BENCH_DISK_DIR.
"""

import argparse
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 16
VISITORS = 1000
WORKERS = 8
TARGET_RATE = 0.95
TARGET_P99 = 1.2


def program(name):
    """Where a program is; Debian keeps servers outside of an ordinary user's PATH."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        sys.exit(f"benches/fpm: {name} is not installed: scripts/install-deps run bench")
    return path


def wait_for(what, done, seconds=20):
    """Returns when `done` says so; ends the run where that takes too long."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Handler:
    """A session handler: how it is configured, and what its rounds gave."""

    def __init__(self, name, label, ini, extensions=(), shared=True):
        self.name, self.label, self.extensions, self.shared = name, label, extensions, shared
        self.ini = ini | {"session.gc_probability": "1" if name.startswith("files") else "0", "session.gc_divisor": "1000"}
        self.rates, self.medians, self.p99s, self.answered, self.runs = [], [], [], 0, 0

    def options(self):
        """The settings as arguments of php."""
        options = ["-n"]
        for extension in self.extensions:
            options += ["-d", f"extension={extension}"]
        for name, value in self.ini.items():
            options += ["-d", f'{name}="{value}"']
        return options

    def rate(self):
        return statistics.median(self.rates)

    def p99(self):
        return statistics.median(self.p99s)


class Bench:
    """The servers and the directories they need; everything ends and goes with close()."""

    def __init__(self):
        # Short: the name of a Unix socket has at most 107 bytes.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cr-fpm."))
        self.dirs, self.servers = [self.dir], []
        self.dir.chmod(0o755)
        (self.dir / "www").mkdir()
        shutil.copyfile(HERE / "page.php", self.dir / "www/page.php")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def directory(self, base):
        """A directory for sessions that the workers may write to."""
        path = pathlib.Path(tempfile.mkdtemp(prefix="cloakroom-bench-fpm.", dir=base))
        self.dirs.append(path)
        if os.geteuid() == 0:
            shutil.chown(path, "www-data", "www-data")
        return path

    def start(self, *command):
        with open(self.dir / "servers.log", "ab") as log:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.servers.append(server)
        return server

    def start_pool(self, handler):
        user = "user = www-data\ngroup = www-data\nlisten.owner = www-data\nlisten.group = www-data\n"
        (self.dir / f"{handler.name}.conf").write_text(
            f"[global]\nerror_log = {self.dir}/{handler.name}.log\ndaemonize = no\n\n[www]\n"
            + (user if os.geteuid() == 0 else "")
            + f"listen = {self.dir}/fpm-{handler.name}.sock\nlisten.backlog = 511\npm = static\npm.max_children = {WORKERS}\n"
            + "php_admin_flag[log_errors] = on\n"
        )
        self.start(program("php-fpm8.2"), *handler.options(), "--nodaemonize", "--fpm-config", self.dir / f"{handler.name}.conf")
        wait_for(f"php-fpm with {handler.label} listens", (self.dir / f"fpm-{handler.name}.sock").exists)

    def start_nginx(self, handlers):
        temporary = "".join(f"{kind}_temp_path {self.dir}/t-{kind};\n" for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        places = "".join(
            f"location /{h.name}/ {{ fastcgi_pass unix:{self.dir}/fpm-{h.name}.sock; fastcgi_param SCRIPT_FILENAME {self.dir}/www/page.php;"
            " fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri;"
            " fastcgi_param QUERY_STRING $query_string; fastcgi_param SERVER_PROTOCOL $server_protocol; }\n"
            for h in handlers
        )
        (self.dir / "nginx.conf").write_text(
            ("user www-data;\n" if os.geteuid() == 0 else "")
            + f"daemon off;\npid {self.dir}/nginx.pid;\nworker_processes 1;\nevents {{ worker_connections 512; }}\n"
            + f"http {{ access_log off; error_log {self.dir}/nginx.log warn; keepalive_requests 100000000;\n{temporary}"
            + f"server {{ listen 127.0.0.1:{self.port};\n{places}}} }}\n"
        )
        self.start(program("nginx"), "-p", self.dir, "-e", "stderr", "-c", self.dir / "nginx.conf")

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_for("nginx answers", answers)

    def run(self, handler, seconds, counts=True):
        """One round of one handler."""
        environment = os.environ | {"BENCH_SESSIONS": str(VISITORS), "BENCH_TARGET": f"/{handler.name}/page.php"}
        url = f"http://127.0.0.1:{self.port}/"
        command = [program("wrk"), "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s", "--timeout", "30s"]
        result = subprocess.run(
            [*command, "-s", HERE / "visitors.lua", url], env=environment, capture_output=True, text=True, check=True
        )
        line = next((line for line in result.stdout.splitlines() if line.startswith("figures ")), None)
        if line is None:
            raise RuntimeError(f"{handler.label}: wrk gave no figures: {result.stdout}{result.stderr}")
        requests, micros, median, p99, wrong = (int(word) for word in line.split()[1:])
        if wrong or not requests:
            raise RuntimeError(f"{handler.label}: {wrong} of {requests} requests were not answered as they should be")
        handler.answered += requests
        handler.runs += 1
        if counts:
            handler.rates.append(requests / (micros / 1e6))
            handler.medians.append(median / 1000)
            handler.p99s.append(p99 / 1000)

    def verify(self, handler):
        """The sessions' counters add up to what was answered, and what was under way when a round ended."""
        code = (
            f"$sum = 0; for ($i = 0; $i < {VISITORS}; $i++) {{ session_id(sprintf('a%031d', $i));"
            " session_start(['read_and_close' => true, 'use_cookies' => 0]); $sum += $_SESSION['n'] ?? 0; } echo $sum;"
        )
        command = [program("php8.2"), *handler.options(), "-d", "session.cache_limiter=", "-r", code]
        as_pool = {"user": "www-data", "group": "www-data", "extra_groups": []} if os.geteuid() == 0 else {}
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", **as_pool)
        if not result.stdout.isdigit():
            raise RuntimeError(f"{handler.label}: the sessions do not read: {result.stdout[:300]}{result.stderr[:300]}")
        surplus = int(result.stdout) - handler.answered
        if not 0 <= surplus <= handler.runs * CONNECTIONS:
            raise RuntimeError(f"{handler.label}: {handler.answered} requests were answered, the sessions counted {result.stdout}")

    def close(self):
        for server in reversed(self.servers):
            try:
                server.send_signal(signal.SIGTERM)
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
        for path in self.dirs:
            shutil.rmtree(path, ignore_errors=True)


def file_system(path):
    """The type of the file system that a path is on."""
    return subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True).stdout.strip()


def handlers(bench):
    """All handlers, the floor first; starts the servers that some of them need."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))
    built = pathlib.Path(os.environ.get("CLOAKROOM_SO", target / "release/libcloakroom.so"))
    if not built.is_file():
        sys.exit(f"benches/fpm: {built} is not there; build it first (make build)")
    extension = bench.dir / "cloakroom.so"
    shutil.copyfile(built, extension)
    floor = bench.dir / "floor.so"
    flags = subprocess.run(["php-config", "--includes"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", *flags, HERE.parent / "floor/floor.c", "-o", floor], check=True)

    found = [Handler("floor", "floor: keeps the bytes, no more", {"session.save_handler": "floor"}, [floor], shared=False)]
    disks = [os.environ.get("BENCH_DISK_DIR"), tempfile.gettempdir(), "/var/tmp", HERE]
    disk = next((path for path in disks if path and os.access(path, os.W_OK) and file_system(path) != "tmpfs"), None)
    places = [("tmpfs", "/dev/shm" if os.access("/dev/shm", os.W_OK) else None), ("disk", disk)]
    for kind, extensions in (("cloakroom", [extension]), ("files", [])):
        for place, base in places:
            if base is None:
                print(f"left out: {kind} on {place} (no writable directory)", file=sys.stderr)
                continue
            ini = {"session.save_handler": kind, "session.save_path": str(bench.directory(base))}
            found.append(Handler(f"{kind}-{place}", f"{kind}, {place}", ini, extensions))
    redis = bench.dir / "redis.sock"
    bench.start(program("redis-server"), "--port", "0", "--unixsocket", redis, "--unixsocketperm", "777", "--save", "",
                "--appendonly", "no", "--dir", bench.dir)
    memcached = bench.dir / "memcached.sock"
    user = ["-u", "root"] if os.geteuid() == 0 else []
    bench.start(program("memcached"), *user, "-s", memcached, "-a", "0777", "-m", "128")
    wait_for("redis-server and memcached listen", lambda: redis.exists() and memcached.exists())
    found.append(
        Handler(
            "redis",
            "phpredis, locking on",
            {
                "session.save_handler": "redis",
                "session.save_path": f"unix://{redis}?persistent=1",
                "redis.session.locking_enabled": "1",
                # The default gives up after 100 tries of 20 ms and then works without the lock.
                "redis.session.lock_retries": "-1",
            },
            ["igbinary", "redis"],
        )
    )
    found.append(
        Handler(
            "memcached",
            "php-memcached, locks (default)",
            {"session.save_handler": "memcached", "session.save_path": str(memcached), "memcached.sess_persistent": "1"},
            ["igbinary", "msgpack", "memcached"],
        )
    )
    return found


def report(found, markdown, rounds):
    """The table, the targets and the losses."""
    floor = found[0]
    print(f"nginx, php-fpm with {WORKERS} workers, wrk with {CONNECTIONS} connections, {VISITORS} sessions of 1 KB; medians of {rounds} rounds\n")
    lines = [("handler", "requests/s", "of the floor", "median ms", "p99 ms")]
    for h in found:
        lines.append((h.label, f"{h.rate():,.0f}", f"{h.rate() / floor.rate():.0%}", f"{statistics.median(h.medians):.2f}", f"{h.p99():.2f}"))
    for number, line in enumerate(lines):
        if markdown:
            print("| " + " | ".join(line) + " |" + ("\n|---|---:|---:|---:|---:|" if number == 0 else ""))
        else:
            print(f"  {line[0]:<34}" + "".join(f"{cell:>14}" for cell in line[1:]))
    ours = next((h for h in found if h.name == "cloakroom-tmpfs"), None)
    if ours:
        share, times = ours.rate() / floor.rate(), ours.p99() / floor.p99()
        print(f"\n{'met' if share >= TARGET_RATE else 'MISSED'}: at least {TARGET_RATE:.0%} of the floor's requests ({share:.1%})")
        print(f"{'met' if times <= TARGET_P99 else 'MISSED'}: a p99 of at most {TARGET_P99} times the floor's ({times:.2f})")
        better = [h for h in found[1:] if not h.name.startswith("cloakroom") and (h.rate() > ours.rate() or h.p99() < ours.p99())]
        print("better than Cloakroom on tmpfs in one of the two: " + (", ".join(h.label for h in better) or "none"))


def main():
    parser = argparse.ArgumentParser(description="Requests through nginx and php-fpm with one session handler after the other.")
    parser.add_argument("--quick", action="store_true", help="one round of a second each; figures of no value")
    parser.add_argument("--check", action="store_true", help="print what was verified instead of figures")
    parser.add_argument("--markdown", action="store_true", help="a table in markdown")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    rounds, seconds = (1, 1) if options.quick else (options.rounds, options.seconds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench()
    try:
        found = handlers(bench)
        for handler in found:
            bench.start_pool(handler)
        bench.start_nginx(found)
        for handler in found:
            if not options.quick:
                bench.run(handler, 1, counts=False)
        for number in range(rounds):
            for handler in found if number % 2 == 0 else found[::-1]:
                bench.run(handler, seconds)
        for handler in found:
            if handler.shared:
                bench.verify(handler)
        if options.check:
            for handler in found:
                print(f"ok: through php-fpm, {handler.label}: " + ("every request counted" if handler.shared else "every request answered"))
            print(f"{len(found)} passed, 0 failed")
        else:
            report(found, options.markdown, rounds)
    except (RuntimeError, subprocess.CalledProcessError) as problem:
        print(f"FAILED {problem}", file=sys.stderr)
        for log in sorted(bench.dir.glob("*.log")):
            print(*log.read_text(errors="replace").splitlines()[-3:], sep="\n", file=sys.stderr)
        if options.check:
            print("0 passed, 1 failed")
        sys.exit(1)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
