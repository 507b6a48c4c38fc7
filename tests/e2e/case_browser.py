"""The demonstration's page "Requests that overlap" in a real browser: each lock mode does what the page says."""

import contextlib
import os
import pathlib
import struct

from checks import case, expect
from chromium import Chromium
from servers import Site

# Twelve requests overlap; nobody should wait for a worker.
WORKERS = 16
REQUESTS = 12

# What two readings of a clock, and the scheduler of a busy machine, may add to a wait that is none.
NO_WAIT_MS = 60.0


class Row:
    """One request as the page measured it, in milliseconds since the run began."""

    def __init__(self, times):
        self.reads = times.pop("reads") == "true"
        for name, value in times.items():
            setattr(self, name, float(value))
        self.waited = self.started - self.asked


class Result:
    """What the page shows after a run."""

    def __init__(self, chromium):
        self.rows = [
            Row(times)
            for times in chromium.evaluate("[...document.querySelectorAll('#times tr')].map(row => ({ ...row.dataset }))")
        ]
        self.keys = chromium.evaluate("[...document.querySelectorAll('#keys li')].map(entry => entry.className)")
        figures = chromium.evaluate("({ ...document.getElementById('experiment').dataset })")
        self.counter = int(figures["counter"])
        self.waits = int(figures["waits"])
        self.merges = int(figures["merges"])
        self.conflicts = int(figures["mergeConflicts"])
        self.origins = int(figures["origins"])
        self.took = max(row.answered for row in self.rows)

    def most_open_at_once(self):
        """How many requests had the session open at the same moment, writers only."""
        moments = [(row.started, 1) for row in self.rows if not row.reads]
        moments += [(row.ending, -1) for row in self.rows if not row.reads]
        most = now = 0
        for _, change in sorted(moments):
            now += change
            most = max(most, now)
        return most


class Page:
    """The page, opened in a browser of its own on servers of its own."""

    def __init__(self, chromium, site):
        self.chromium = chromium
        self.address = f"http://127.0.0.1:{site.port}/overlap.php"
        chromium.look(1100)
        chromium.open(self.address)

    def run(self, mode):
        """Presses a mode's button and waits for its result."""
        self.chromium.click(f".modes button[data-mode='{mode}']")
        self.chromium.wait_for(
            f"(({{ state, mode }}) => mode === '{mode}' && state !== 'running')"
            "(document.getElementById('experiment').dataset)"
        )
        text = self.chromium.evaluate("document.getElementById('state').textContent")
        state = self.chromium.evaluate("document.getElementById('experiment').dataset.state")
        expect(state == "done", f"{mode}: the page says: {text}")
        result = Result(self.chromium)
        expect(len(result.rows) == REQUESTS, f"{mode}: the page shows {len(result.rows)} requests")
        bars = self.chromium.evaluate("document.querySelectorAll('#waterfall rect.open, #waterfall rect.reads').length")
        expect(bars == REQUESTS, f"{mode}: the picture has {bars} bars")
        expect(result.origins == 2, f"{mode}: the second port was not used")
        for row in result.rows:
            moments = [row.asked, row.started, row.ending, row.closed]
            expect(moments == sorted(moments), f"{mode}: the moments of a request are out of order: {moments}")
            # Two clocks were aligned through the network; half of the fastest exchange is their uncertainty.
            expect(row.sent - 20 < row.arrived and row.closed < row.answered + 20, f"{mode}: the clocks do not agree")
        return result

    def expect_no_complaints(self):
        expect(not self.chromium.complaints, f"the browser complains: {self.chromium.complaints}")


@contextlib.contextmanager
def opened_page():
    """Servers, a browser and the page, all ended afterwards."""
    site = Site(workers=WORKERS, ports=2)
    try:
        site.start()
        chromium = Chromium()
        try:
            yield Page(chromium, site), site
        finally:
            chromium.close()
    finally:
        site.remove()


@case("browser: twelve requests at once, in each lock mode, as the page draws them")
def every_mode(_shared_site):
    with opened_page() as (page, _site):
        exclusive = page.run("exclusive")
        expect(exclusive.most_open_at_once() == 1, "exclusive: two requests had the session at the same time")
        expect(exclusive.keys == ["kept"] * REQUESTS, f"exclusive: the keys are {exclusive.keys}")
        expect(exclusive.counter == REQUESTS, f"exclusive: the counter is {exclusive.counter}")
        # The first one has the session for some 200 ms, and all the others come meanwhile.
        expect(exclusive.waits >= REQUESTS - 2, f"exclusive: only {exclusive.waits} requests waited")
        striped = page.chromium.evaluate("document.querySelectorAll('#waterfall rect.waits').length")
        expect(striped >= REQUESTS - 2, f"exclusive: the picture has {striped} waits")

        merge = page.run("merge")
        expect(merge.most_open_at_once() >= REQUESTS // 2, f"merge: {merge.most_open_at_once()} at most overlap")
        expect(merge.keys == ["kept"] * REQUESTS, f"merge: the keys are {merge.keys}")
        expect(merge.merges > 0, "merge: the store merged nothing")
        expect(merge.took < exclusive.took / 2, f"merge took {merge.took:.0f} ms, exclusive {exclusive.took:.0f}")
        expect(merge.waits == 0, f"merge: the store counted {merge.waits} waits")
        expect_nobody_waits(merge, "merge")
        expect(1 <= merge.counter < REQUESTS, f"merge: the counter is {merge.counter}")

        none = page.run("none")
        expect(none.most_open_at_once() >= REQUESTS // 2, f"none: {none.most_open_at_once()} at most overlap")
        expect(set(none.keys) <= {"kept", "lost"} and "kept" in none.keys, f"none: the keys are {none.keys}")
        expect("lost" in none.keys, "none: nothing was lost, although all have overlapped")
        expect(none.waits == 0 and none.merges == 0, f"none: {none.waits} waits, {none.merges} merges")
        expect_nobody_waits(none, "none")

        readers = page.run("readers")
        [writer] = [row for row in readers.rows if not row.reads]
        others = [row for row in readers.rows if row.reads]
        inside = [row for row in others if writer.started < row.asked and row.started < writer.ending]
        expect(len(inside) == len(others) == REQUESTS - 1, f"readers: {len(inside)} read while the writer had the lock")
        expect(readers.waits == 0, f"readers: the store counted {readers.waits} waits")
        expect_nobody_waits(readers, "readers")
        expect(readers.keys == ["kept"] + ["reader"] * (REQUESTS - 1), f"readers: the keys are {readers.keys}")
        expect(readers.counter == 1, f"readers: the counter is {readers.counter}")

        compared = page.chromium.evaluate(
            "[...document.querySelectorAll('.compared tbody tr')].map(row => row.cells[3].textContent)"
        )
        expect(compared[:2] == ["12/12", "12/12"] and compared[3] == "1/1", f"the comparison says {compared}")
        page.expect_no_complaints()


def expect_nobody_waits(result, mode):
    longest = max(row.waited for row in result.rows)
    expect(longest < NO_WAIT_MS, f"{mode}: a request waited {longest:.0f} ms for the session")


@case("browser: the page without its second port says that the browser sends six at a time")
def one_port_only(_shared_site):
    with opened_page() as (page, site):
        page.chromium.command("Network.setBlockedURLs", urls=[f"*:{site.ports[1]}/*"])
        page.chromium.click(".modes button[data-mode='merge']")
        page.chromium.wait_for("document.getElementById('experiment').dataset.state === 'done'")
        text = page.chromium.evaluate("document.getElementById('state').textContent")
        expect("six at a time" in text, f"the page says: {text}")
        result = Result(page.chromium)
        expect(result.origins == 1, f"{result.origins} ports were used")
        expect(result.most_open_at_once() <= 6, f"{result.most_open_at_once()} requests overlap on one port")
        expect(result.keys == ["kept"] * REQUESTS, f"the keys are {result.keys}")


@case("browser: the page fits a phone, follows the system's colours, and has a name for everything")
def looks(_shared_site):
    with opened_page() as (page, site):
        chromium = page.chromium
        pictures = pathlib.Path(os.environ.get("PICTURES", site.dir / "pictures"))
        pictures.mkdir(parents=True, exist_ok=True)
        backgrounds = {}
        for mode in ("exclusive", "merge", "none", "readers"):
            page.run(mode)
            for look, width, dark in (("light", 1100, False), ("dark", 1100, True), ("phone", 360, False)):
                chromium.look(width, dark=dark)
                wide = chromium.evaluate("document.documentElement.scrollWidth")
                expect(wide <= width, f"{mode}, {look}: the page is {wide} wide in a window of {width}")
                hidden = chromium.evaluate(
                    "[...document.querySelectorAll('main section')].filter(part => part.scrollWidth > part.clientWidth)"
                    ".map(part => part.className)"
                )
                expect(not hidden, f"{mode}, {look}: something sticks out of {hidden}")
                drawn = chromium.wait_for(
                    "(picture => picture.viewBox.baseVal.width === picture.parentNode.clientWidth"
                    " && picture.viewBox.baseVal.width)(document.querySelector('#waterfall svg'))"
                )
                expect(drawn < width, f"{mode}, {look}: the picture is {drawn} wide in a window of {width}")
                backgrounds[look] = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
                picture = pictures / f"{mode}-{look}.png"
                chromium.screenshot(picture)
                expect(picture_width(picture) == width, f"{picture.name} is {picture_width(picture)} wide")
            chromium.look(1100)
        expect(backgrounds["light"] != backgrounds["dark"], "dark and light look the same")

        chromium.command("Accessibility.enable")
        nodes = chromium.command("Accessibility.getFullAXTree")["nodes"]
        for role, least in (("button", 4), ("image", 1), ("heading", 3), ("table", 1), ("status", 1)):
            found = [node for node in nodes if node.get("role", {}).get("value") == role and not node.get("ignored")]
            expect(len(found) >= least, f"{len(found)} parts of the page are a {role}")
            if role in ("button", "image", "heading"):
                nameless = [node for node in found if not node.get("name", {}).get("value")]
                expect(not nameless, f"a {role} has no name")
        page.expect_no_complaints()


def picture_width(path):
    """The width that the head of a PNG file tells."""
    head = path.read_bytes()[:24]
    expect(head[:8] == b"\x89PNG\r\n\x1a\n", f"{path.name} is no PNG file")
    return struct.unpack(">I", head[16:20])[0]


@case("browser: only the page itself may take part in the experiment")
def foreign_origin(site):
    client = site.client()
    answer = client.request("POST", "/overlap-request.php", {"action": "prepare"})
    expect(answer.status == 403 and not answer.set_cookies, f"without an origin: {answer.status}")
    for origin, status in (("http://elsewhere.example", 403), (f"http://127.0.0.1:{site.port}", 200)):
        answer = client.request("POST", "/overlap-request.php", {"action": "prepare"}, headers={"Origin": origin})
        expect(answer.status == status, f"from {origin}: {answer.status}")
    for fields in ({"mode": "shared", "number": 1}, {"mode": "none", "number": 13}, {"mode": "none", "number": 0}):
        fields |= {"action": "take-part", "run": "x"}
        answer = client.request("POST", "/overlap-request.php", fields, headers={"Origin": origin})
        expect(answer.status == 400, f"{fields} answers {answer.status}")
    answer = client.request(
        "POST",
        "/overlap-request.php",
        {"action": "take-part", "mode": "none", "number": 1, "run": "another"},
        headers={"Origin": origin},
    )
    expect(answer.status == 503, f"a request of another run answers {answer.status}")
