"""A headless Chromium of Debian's, steered through its DevTools protocol on a pair of pipes: no driver, no library.

Commands and events are JSON objects, each ended by a NUL byte; Chromium reads descriptor 3 and writes descriptor 4.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import tempfile
import time

from checks import Failed, NotHere, expect
from processes import descendants_of, gone_within, kill_all

FLAGS = [
    "--headless",
    "--remote-debugging-pipe",
    # The sandbox needs rights that root and containers do not have; only pages of this test are opened.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# What starting, or any single command, may take on a busy machine.
PATIENCE_SECONDS = 60.0


class Chromium:
    """One browser with one page. Everything that the page complained about is in `complaints`."""

    def __init__(self):
        program = shutil.which("chromium")
        if program is None:
            raise NotHere("chromium is not installed: scripts/install-deps test")
        self.profile = tempfile.mkdtemp(prefix="cloakroom-chromium.")
        self.complaints = []
        self._buffer = b""
        self._last_id = 0
        self._session = None
        to_browser = self._pipe()
        from_browser = self._pipe()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        wiring = [(null, 0), (null, 1), (null, 2), (to_browser[0], 3), (from_browser[1], 4)]
        self.pid = os.posix_spawn(
            program,
            [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in wiring],
            setsid=True,
        )
        for descriptor in (null, to_browser[0], from_browser[1]):
            os.close(descriptor)
        self._write, self._read = to_browser[1], from_browser[0]
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _pipe():
        """The two ends of a pipe, numbered above those that the browser gets."""
        ends = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
        for end in ends:
            os.close(end)
        return high

    def _attach(self):
        targets = self.command("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.command("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.command(f"{domain}.enable")
        # They would take their width from pictures of the page.
        self.command("Emulation.setScrollbarsHidden", hidden=True)

    def command(self, method, **parameters):
        """Carries out one command and answers its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._next_message(deadline, method)
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _next_message(self, deadline, awaited):
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise Failed(f"chromium does not answer {awaited} within {PATIENCE_SECONDS:g} s")
            data = os.read(self._read, 1 << 16)
            if not data:
                raise Failed(f"chromium ended before it answered {awaited}")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        """Keeps what a developer would see in red or yellow."""
        method, about = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.complaints.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.complaints.append(f"console: {[value.get('value') for value in about['args']]}")
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{about['entry']['source']}: {about['entry']['text']}")
        elif method == "Audits.issueAdded" and about["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.complaints.append(f"policy: {about['issue']['details']}")
        elif method == "Network.loadingFailed" and not about.get("canceled"):
            self.complaints.append(f"not loaded: {about['errorText']}")

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Failed(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, address):
        """Loads a page and its scripts."""
        result = self.command("Page.navigate", url=address)
        expect("errorText" not in result, f"{address}: {result.get('errorText')}")
        self.wait_for(f"document.readyState === 'complete' && location.href === {json.dumps(address)}")

    def wait_for(self, expression, seconds=PATIENCE_SECONDS):
        """Answers the first true value of a JavaScript expression; fails when there is none within the time."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failed(f"in the browser, {expression}: not within {seconds:g} s; it says {self.complaints}")
            time.sleep(0.05)

    def click(self, selector):
        """Presses the mouse on the middle of an element, as a visitor does."""
        x, y = self.evaluate(
            f"""(() => {{ const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{ block: "center" }});
                const box = element.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def look(self, width, height=900, dark=False):
        """Shows the page in a window of this size, on a light or a dark system."""
        phone = width < 600
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path):
        """A picture of the whole page, also of what is below the window's edge."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => true)")
        picture = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self):
        """Ends the browser with all its processes and removes its profile."""
        family = descendants_of(self.pid)
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        # It ends by itself when its pipe is closed.
        if not gone_within(family, 5.0):
            kill_all(family)
        os.waitpid(self.pid, 0)
        shutil.rmtree(self.profile, ignore_errors=True)
