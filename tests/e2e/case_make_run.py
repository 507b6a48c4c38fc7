"""`make run` itself: started, used, killed, started again, stopped."""

import os
import shutil
import signal
import subprocess
import tempfile

from browser import Visitor
from checks import case, expect, wait_for
from processes import descendants_of, gone_within, is_alive, kill_all
from servers import ROOT, free_port


class Run:
    """One `make run` in a process group of its own, as a terminal starts it."""

    def __init__(self, directory, port):
        self.output = tempfile.TemporaryFile()
        self.make = subprocess.Popen(
            ["make", "--no-print-directory", "run", f"PORT={port}", f"DIR={directory}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def text(self):
        return os.pread(self.output.fileno(), 1 << 20, 0).decode("utf-8", "replace")

    def wait_until_ready(self, port):
        address = f"http://127.0.0.1:{port}/"
        wait_for(lambda: address in self.text() or self.make.poll() is not None, "make run prints its address", 300)
        expect(address in self.text(), f"make run ended: {self.text()[-600:]}")

    def family(self):
        return descendants_of(self.make.pid)


@case("make run: start, use, kill -9, start again, Ctrl-C, SIGTERM")
def whole_cycle(site):
    # Nothing but the port is shared with the servers of the other cases.
    directory = tempfile.mkdtemp(prefix="cloakroom-run.")
    os.chmod(directory, 0o755)
    port = free_port()
    runs = []

    def start():
        run = Run(directory, port)
        runs.append(run)
        run.wait_until_ready(port)
        return run

    try:
        run = start()
        visitor = Visitor(port)
        visitor.log_in("Barbara")
        visitor.press("hand-over", thing="umbrella")
        visits = visitor.page().visits

        second = Run(directory, port)
        runs.append(second)
        expect(second.make.wait(300) != 0, "a second run in the same directory started")
        expect("another run" in second.text(), f"the second run says: {second.text()[-300:]}")
        elsewhere = tempfile.mkdtemp(prefix="cloakroom-run.")
        os.chmod(elsewhere, 0o755)
        try:
            third = Run(elsewhere, port)
            runs.append(third)
            expect(third.make.wait(300) != 0, "a run on a taken port started")
            expect("is taken" in third.text() and "PORT=" in third.text(), f"it says: {third.text()[-300:]}")
        finally:
            shutil.rmtree(elsewhere, ignore_errors=True)

        family = run.family()
        expect(len(family) >= 8, f"only {len(family)} processes run")
        kill_all(family)
        run.make.wait(10)

        run = start()
        page = same_visitor_again(visitor, visits, "after kill -9")
        expect(page.basket == {"umbrella": 1}, f"after kill -9 the basket holds {page.basket}")

        family = run.family()
        os.killpg(run.make.pid, signal.SIGINT)
        run.make.wait(30)
        expect(gone_within(family, 10), "Ctrl-C left a process behind")
        expect("Stopped." in run.text(), "Ctrl-C does not say that it stopped")

        run = start()
        same_visitor_again(visitor, visits + 1, "after Ctrl-C")
        # Only the script dies: the servers that it leaves behind are not in the way of the next run.
        left = run.family()
        os.kill(script_of(run), signal.SIGKILL)
        run.make.wait(10)
        run = start()
        expect(gone_within(left, 5), "servers of a killed script are still there")
        same_visitor_again(visitor, visits + 2, "after the script's death")

        family = run.family()
        run.make.send_signal(signal.SIGTERM)
        run.make.wait(30)
        expect(gone_within(family, 10), "SIGTERM left a process behind")
    finally:
        for run in runs:
            if is_alive(run.make.pid):
                kill_all(run.family())
            run.make.wait(10)
        subprocess.run([ROOT / "scripts/stop-servers", directory], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def same_visitor_again(visitor, visits, after):
    """The visitor is still logged in and the counter went on by one."""
    visitor.close()
    page = visitor.page()
    expect(page.visitor == "Barbara", f"{after} the visitor is not logged in")
    expect(page.visits == visits + 1, f"{after} the counter is {page.visits} instead of {visits + 1}")
    return page


def script_of(run):
    """The process id of scripts/run-demo below a `make run`."""
    for pid in run.family():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"run-demo" in file.read():
                return pid
    raise AssertionError("make run has no script")
