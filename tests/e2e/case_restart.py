"""Reloads, restarts and kills of the whole server: the sessions stay."""

from http.client import HTTPException
from json import JSONDecodeError

from browser import InBackground
from checks import case, expect, wait_for
from processes import kill_all


def session_of(site, count):
    """A visitor whose counter stands at `count`."""
    browser = site.client()
    for _ in range(count):
        browser.get("/t/counter.php")
    return browser


def goes_on(browser, count, after):
    """The visitor's next request counts on under the same cookie."""
    browser.close()
    response = browser.get("/t/counter.php")
    answer = response.json()
    expect(answer["count"] == count, f"{after} the session counts {answer['count']} instead of {count}")
    expect(not response.set_cookies, f"{after} the visitor got another cookie")


@case("restart: php-fpm's reload keeps sessions and lets a running request commit")
def reload_keeps(site):
    browser = session_of(site, 3)
    other = session_of(site, 1)
    holding, holder = site.hold(other.same_visitor(), "reload", count=70)
    idle = [worker for worker in site.workers() if worker != holder]
    reloading = InBackground(site.reload)
    wait_for(lambda: not set(idle) & set(site.workers()), "the reload ends the idle workers")
    site.release("reload")
    answer = holding.result(20)
    expect(answer.status == 200 and answer.json()["written"], "the running request was cut off")
    expect(answer.json()["pid"] == holder, "the running request changed its worker")
    reloading.result(30)
    goes_on(browser, 4, "after a reload")
    goes_on(other, 71, "after a reload")


@case("restart: stopping and starting keeps sessions")
def restart_keeps(site):
    browser = session_of(site, 3)
    site.stop()
    site.start()
    goes_on(browser, 4, "after a restart")


@case("restart: kill -9 of everything under load keeps every acknowledged write")
def kill_keeps(site):
    browser = session_of(site, 1)
    idle = session_of(site, 5)
    # A client stops at its first broken connection, so each has at most one request that it got no answer to.
    acknowledged = []

    def count_on(client):
        while True:
            try:
                response = client.get("/t/counter.php")
                if response.status != 200:
                    return
                answer = response.json()
            except (OSError, HTTPException, JSONDecodeError):
                # Refused, or broken off in the middle of the answer.
                return
            acknowledged.append(answer["count"])

    clients = [InBackground(count_on, browser.same_visitor()) for _ in range(6)]
    wait_for(lambda: len(acknowledged) > 300, "the clients count", 30)
    site.kill_everything()
    for client in clients:
        client.result(20)
    site.start()

    browser.close()
    count = browser.get("/t/read.php").json()["count"]
    expect(count is not None, "the session is lost")
    expect(len(set(acknowledged)) == len(acknowledged), "two requests saw the same counter")
    expect(max(acknowledged) <= count <= max(acknowledged) + 6, f"counts {count} after {max(acknowledged)}")
    goes_on(idle, 6, "after kill -9")
    goes_on(browser, count + 1, "after kill -9")


@case("restart: killing all workers at once keeps sessions, and php-fpm starts new ones")
def workers_killed(site):
    browser = session_of(site, 2)
    before = site.workers()
    kill_all(before)
    wait_for(lambda: len(site.workers()) == len(before) and not set(before) & set(site.workers()), "new workers")
    goes_on(browser, 3, "after the death of all workers")
