"""The dashboard in a real browser: what it shows, to whom, how it looks, and what it does without a store."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess

from browser import InBackground
from checks import case, expect, wait_for
from chromium import Chromium
from servers import ROOT, Site, program

OPENED = "<?php\ndefine('CLOAKROOM_DASHBOARD_OPEN', true);\nrequire __DIR__ . '/closed.php';\n"


@contextlib.contextmanager
def site_with_dashboard():
    """Servers that have the dashboard twice: as it comes, and opened by a page that includes it."""
    site = Site()
    try:
        public = site.dir / "www/public"
        shutil.copyfile(ROOT / "dashboard/cloakroom.php", public / "closed.php")
        (public / "opened.php").write_text(OPENED)
        site.start()
        yield site
    finally:
        site.remove()


@contextlib.contextmanager
def opened_dashboard(site):
    chromium = Chromium()
    try:
        chromium.look(1200)
        chromium.open(f"http://127.0.0.1:{site.port}/opened.php")
        yield chromium
    finally:
        chromium.close()


def text_of(chromium, selector):
    return chromium.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")


def number_of(chromium, label):
    """The number under a label, as people read it."""
    shown = chromium.evaluate(
        f"[...document.querySelectorAll('.numbers div')].find(entry => entry.querySelector('dt').innerText === '{label}')"
        "?.querySelector('dd').firstChild.textContent"
    )
    expect(shown is not None, f"no number is called {label}")
    return int(re.sub(r"\D", "", shown))


def counts_of(chromium, card):
    """What a histogram tells those who cannot see it: step and count."""
    label = chromium.evaluate(f"document.querySelector('#{card} svg').getAttribute('aria-label')")
    return {step: int(count) for step, count in (entry.rsplit(": ", 1) for entry in label.split(", "))}


@case("dashboard: it is closed to everybody until the configuration opens it")
def closed_by_default(_shared_site):
    with site_with_dashboard() as site:
        client = site.client()
        attempts = (
            {},
            {"Authorization": "Basic YWRtaW46YWRtaW4="},
            {"Cloakroom-Dashboard-Open": "1", "CLOAKROOM_DASHBOARD_OPEN": "1"},
        )
        for headers in attempts:
            for path in ("/closed.php", "/closed.php?cloakroom=figures", "/closed.php?CLOAKROOM_DASHBOARD_OPEN=1"):
                answer = client.request("GET", path, headers=headers)
                expect(answer.status == 403, f"{path} with {headers} answers {answer.status}")
                expect("capacity" not in answer.text and "<" not in answer.text, f"{path} shows {answer.text[:200]}")
        expect(client.get("/opened.php").status == 200, "the page that opens it is closed")
        expect(not site.store_files(), "the dashboard has made a store")

    php_cgi = program("php-cgi8.2")
    page = ROOT / "dashboard/cloakroom.php"
    for said, status in (("1", "200"), ("0", "403"), ("", "403")):
        environment = {
            "REDIRECT_STATUS": "200",
            "REQUEST_METHOD": "GET",
            "SCRIPT_FILENAME": str(page),
            "QUERY_STRING": "cloakroom=figures",
            "CLOAKROOM_DASHBOARD_OPEN": said,
        }
        answer = subprocess.run([php_cgi, "-n"], env=environment, capture_output=True, text=True, timeout=60).stdout
        told = re.search(r"^Status: (\d+)", answer, re.MULTILINE)
        expect((told.group(1) if told else "200") == status, f"opened by {said!r} it answers {answer[:200]}")
    expect("not loaded" in run_open(php_cgi, page), "without the extension the page does not say so")


def run_open(php_cgi, page):
    environment = {
        "REDIRECT_STATUS": "200",
        "REQUEST_METHOD": "GET",
        "SCRIPT_FILENAME": str(page),
        "CLOAKROOM_DASHBOARD_OPEN": "on",
    }
    return subprocess.run([php_cgi, "-n"], env=environment, capture_output=True, text=True, timeout=60).stdout


@case("dashboard: it loads nothing from elsewhere, is kept nowhere, and shows neither ids nor data")
def shows_no_secrets(_shared_site):
    with site_with_dashboard() as site:
        browser = site.client()
        browser.get("/t/counter.php", owner="dashboard-payload")
        [identity] = browser.cookies.values()
        for query in ("", "?cloakroom=figures", "?cloakroom=everything"):
            answer = site.client().get(f"/opened.php{query}")
            expect(answer.status == 200, f"{query} answers {answer.status}")
            expect(identity not in answer.text, f"{query} shows an id")
            expect("dashboard-payload" not in answer.text, f"{query} shows data of a session")
            expect(not answer.set_cookies, f"{query} sets a cookie")
        headers = headers_of(site, "/opened.php")
        policy = headers["Content-Security-Policy"]
        for wanted in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "connect-src 'self'"):
            expect(wanted in policy, f"the policy lacks {wanted}: {policy}")
        expect("unsafe" not in policy and "*" not in policy, f"the policy is {policy}")
        nonce = re.search(r"script-src 'nonce-([^']+)'", policy).group(1)
        expect(nonce not in headers_of(site, "/opened.php")["Content-Security-Policy"], "the nonce is used twice")
        expect(headers["Cache-Control"] == "no-store", "the page may be kept")
        expect(headers["X-Content-Type-Options"] == "nosniff", "types may be guessed")
        page = site.client().get("/opened.php").text
        expect(not re.search(r"(src|href)=[\"']?(https?:)?//|@import|url\(", page), "the page loads something")
        expect(not re.search(r"\son\w+=|\sstyle=", page), "the page has what its policy forbids")


def headers_of(site, path):
    connection = site.client()
    connection.get(path)
    answer = connection.connection
    answer.request("GET", path)
    response = answer.getresponse()
    response.read()
    connection.close()
    return response.headers


@case("dashboard: it shows what is in the store and what is done with it, live")
def live_figures(_shared_site):
    with site_with_dashboard() as site:
        browser = site.client()
        browser.get("/t/counter.php", owner="somebody")
        with opened_dashboard(site) as chromium:
            expect(number_of(chromium, "Sessions") == 1, "not one session is shown")
            expect("cloakroom-" in text_of(chromium, "#store"), "the page does not say where the store is")
            expect(sum(counts_of(chromium, "sizes").values()) == 1, "sizes are not those of one session")
            for _ in range(5):
                site.client().get("/t/counter.php")

            def sees_them():
                return number_of(chromium, "Sessions") == 6

            wait_for(sees_them, "the page shows six sessions without being loaded again", 30)
            expect(number_of(chromium, "Begun") == 6, "other sessions were begun than are there")
            lines = "document.querySelectorAll('#traffic .line').length"
            wait_for(lambda: chromium.evaluate(lines) == 3, "traffic is drawn", 30)

            holding, holder = site.hold(browser.same_visitor(), "dashboard", count=1)
            waiting = InBackground(browser.get, "/t/counter.php")
            site.wait_for_waiters(1, besides=[holder])
            wait_for(lambda: number_of(chromium, "Waiting") == 1, "the page shows who waits", 30)
            site.release("dashboard")
            holding.result(10)
            waiting.result(10)
            wait_for(lambda: sum(counts_of(chromium, "waits").values()) == 1, "the wait is in the picture", 30)
            expect("1 wait," in text_of(chromium, "#waits p"), f"it says: {text_of(chromium, '#waits p')}")

            findings = text_of(chromium, "#doctor")
            expect("session.cookie_httponly" in findings, f"nothing is said of the cookie: {findings}")
            expect("session.use_strict_mode" not in findings, "strict mode is on and complained about")

            chromium.click("#live")
            drawn = chromium.evaluate("document.body.dataset.drawn")
            expect(text_of(chromium, "#live") == "Paused", "the page does not say that it pauses")
            chromium.click("#live")
            wait_for(lambda: chromium.evaluate("document.body.dataset.drawn") != drawn, "the page goes on", 30)
            expect(not chromium.complaints, f"the browser complains: {chromium.complaints}")


@case("dashboard: without a store it says why, and goes on when there is one")
def without_a_store(_shared_site):
    with site_with_dashboard() as site, opened_dashboard(site) as chromium:
        trouble = text_of(chromium, "#trouble")
        expect("there is no store" in trouble, f"without a store it says: {trouble}")
        expect(chromium.evaluate("document.querySelector('#room').hidden"), "it shows room that is not there")
        expect("session.cookie_httponly" in text_of(chromium, "#doctor"), "settings are not looked at")
        site.client().get("/t/counter.php")
        wait_for(lambda: chromium.evaluate("document.querySelector('#trouble').hidden"), "the trouble is over", 30)
        expect(number_of(chromium, "Sessions") == 1, "the session is not shown")
        expect(not chromium.complaints, f"the browser complains: {chromium.complaints}")


def visit_often(browser):
    for _ in range(20):
        browser.get("/t/counter.php")


@case("dashboard: it fits a phone, follows the system's colours, and has a name for every picture")
def looks(_shared_site):
    with site_with_dashboard() as site:
        pictures = pathlib.Path(os.environ.get("PICTURES", site.dir / "pictures"))
        pictures.mkdir(parents=True, exist_ok=True)
        for number in range(30):
            browser = site.client()
            for _ in range(1 + number % 3):
                browser.get("/t/counter.php", owner="x" * (number * number * 3))
        with opened_dashboard(site) as chromium:
            wait_for(lambda: chromium.evaluate("document.querySelectorAll('.line').length") == 3, "traffic is drawn", 30)
            backgrounds = {}
            for look, width, dark in (("light", 1200, False), ("dark", 1200, True), ("phone", 360, False)):
                drawn = chromium.evaluate("document.body.dataset.drawn")
                chromium.look(width, dark=dark)
                for visitor in [InBackground(visit_often, browser.same_visitor()) for _ in range(6)]:
                    visitor.result(60)
                wait_for(lambda: chromium.evaluate("document.body.dataset.drawn") != drawn, "it is drawn again", 30)
                wide = chromium.evaluate("document.documentElement.scrollWidth")
                expect(wide <= width, f"{look}: the page is {wide} wide in a window of {width}")
                hidden = chromium.evaluate(
                    "[...document.querySelectorAll('.card')].filter(card => card.scrollWidth > card.clientWidth + 1)"
                    ".map(card => card.id)"
                )
                expect(not hidden, f"{look}: something sticks out of {hidden}")
                backgrounds[look] = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
                chromium.screenshot(pictures / f"dashboard-{look}.png")
            expect(backgrounds["light"] != backgrounds["dark"], "dark and light look the same")
            chromium.command("Accessibility.enable")
            nodes = chromium.command("Accessibility.getFullAXTree")["nodes"]
            for role, least in (("image", 6), ("heading", 6), ("button", 1)):
                found = [node for node in nodes if node.get("role", {}).get("value") == role and not node.get("ignored")]
                expect(len(found) >= least, f"{len(found)} parts of the page are a {role}")
                nameless = [node for node in found if not node.get("name", {}).get("value")]
                expect(not nameless, f"a {role} has no name")
            expect(not chromium.complaints, f"the browser complains: {chromium.complaints}")
