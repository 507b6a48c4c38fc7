"""Requests that end in unusual ways, and workers that php-fpm replaces or ends: what was stored stays, and the next
request gets the lock at once."""

import contextlib
import time

from browser import InBackground
from checks import case, expect, wait_for
from servers import WORKERS

# Deeds of t/deed.php, and whether the session is stored although the request ends that way.
DEEDS = {
    "end": True,
    "exit": True,
    "exception": True,
    "fatal error": True,
    "time limit": True,
    "error handler exits": False,
    "error handler throws": False,
    "error handler exits at the end": False,
    "error handler throws at the end": False,
    "cannot be encoded": False,
    "cannot be encoded at the end": False,
    "writes in a shutdown function": True,
    "changes the id": True,
}


@contextlib.contextmanager
def pool_settings(site, *lines):
    """Runs php-fpm with further settings of its pool."""
    path = site.dir / "php-fpm.conf"
    before = path.read_text()
    path.write_text(before + "".join(f"{line}\n" for line in lines))
    site.reload()
    try:
        yield
    finally:
        site.release_all()
        path.write_text(before)
        site.reload()


def next_request(browser, count, after):
    """The visitor's next request does not wait and finds the counter one below `count`."""
    answer = browser.get("/t/counter.php", lock_wait=0).json()
    expect(answer["started"] and answer["written"], f"{after}: no session: {answer['warnings']}")
    expect(answer["count"] == count, f"{after}: counts {answer['count']} instead of {count}")
    return answer


@case("edges: however a request ends with its session open, its worker lives and the session is whole and free")
def ends(site):
    workers = site.workers()
    browser = site.client()
    count = next_request(browser, 1, "at first")["count"]
    for deed, stored in DEEDS.items():
        other = browser.same_visitor()
        other.get("/t/deed.php", deed=deed, count=count + 1000)
        if stored:
            count += 1000
        count += 1
        next_request(browser, count, deed)
    expect(site.workers() == workers, "a worker ended")


@case("edges: a reload lets requests that hold and that wait for a session finish")
def reload_with_waiters(site):
    browser = site.client()
    next_request(browser, 1, "at first")
    holding, holder = site.hold(browser.same_visitor(), "edge-reload", count=50)
    waiting = [InBackground(browser.same_visitor().get, "/t/counter.php") for _ in range(2)]
    site.wait_for_waiters(2, besides=[holder])
    before = site.workers()
    reloading = InBackground(site.reload)
    wait_for(lambda: len(set(before) & set(site.workers())) == 3, "the reload ends the idle worker")
    expect(all(request.running() for request in waiting), "a waiting request was cut off")
    site.release("edge-reload")
    answer = holding.result(20)
    expect(answer.status == 200 and answer.json()["written"], "the holding request was cut off")
    counts = sorted(request.result(20).json()["count"] for request in waiting)
    expect(counts == [51, 52], f"the waiting requests count {counts} instead of 51 and 52")
    reloading.result(30)
    browser.close()
    next_request(browser, 53, "after the reload")


@case("edges: reloads under load lose no increment and refuse no session")
def reloads_under_load(site):
    browser = site.client()
    next_request(browser, 1, "at first")
    deadline = time.monotonic() + 60
    counted = []

    def count_on(client):
        while len(counted) < 1500 and time.monotonic() < deadline:
            answer = client.get("/t/counter.php")
            # A connection that php-fpm closed unread is answered by nginx, before any session was touched.
            if answer.status == 502:
                continue
            fields = answer.json()
            expect(fields["started"] and fields["written"], f"a request got no session: {fields['warnings']}")
            counted.append(fields["count"])

    clients = [InBackground(count_on, browser.same_visitor()) for _ in range(3)]
    for part in range(1, 4):
        wait_for(lambda: len(counted) > part * 300, "the clients count", 30)
        site.reload()
    for client in clients:
        client.result(60)
    expect(len(counted) >= 1500, f"only {len(counted)} requests in a minute")
    expect(len(set(counted)) == len(counted), "two requests saw the same counter")
    browser.close()
    next_request(browser, max(counted) + 1, "after the reloads")


@case("edges: pm.max_requests = 1, every request a new worker: no increment is lost")
def one_request_a_worker(site):
    with pool_settings(site, "pm.max_requests = 1"):
        browser = site.client()
        next_request(browser, 1, "at first")

        def count_on(client, number):
            pids = []
            for _ in range(number):
                answer = client.get("/t/counter.php").json()
                expect(answer["started"] and answer["written"], f"a request got no session: {answer['warnings']}")
                pids.append(answer["pid"])
            return pids

        clients = [InBackground(count_on, browser.same_visitor(), 25) for _ in range(4)]
        pids = [pid for client in clients for pid in client.result(60)]
        expect(len(set(pids)) == 100, f"{len(set(pids))} workers instead of 100 answered")
        next_request(browser, 102, "after 100 workers")
        # What dead workers leave behind is found by those that follow; nobody has to wait for it.
        for count in range(103, 123):
            next_request(browser, count, "one after the other")


@case("edges: a worker ended by request_terminate_timeout while it holds the session frees it at once")
def terminated_while_holding(site):
    with pool_settings(site, "request_terminate_timeout = 2s"):
        browser = site.client()
        next_request(browser, 1, "at first")
        begun = time.monotonic()
        holding, holder = site.hold(browser.same_visitor(), "edge-terminated", count=500)
        # Begins later than the holder, so its own time is not over when the holder's is.
        wait_for(lambda: time.monotonic() > begun + 1, "a part of the time is over")
        waiting = InBackground(browser.same_visitor().get, "/t/counter.php")
        site.wait_for_waiters(1, besides=[holder])
        expect(holding.result(15).status == 502, "the holder was answered")
        ended = time.monotonic()
        answer = waiting.result(10).json()
        took = time.monotonic() - ended
        expect(answer["count"] == 2, f"counts {answer['count']} instead of 2")
        expect(took < 0.5, f"the waiting request got the lock {took:.2f} s after the end of the holder")
        next_request(browser, 3, "after the end of the holder")


@case("edges: a worker ended by request_terminate_timeout while it waits leaves the others in order")
def terminated_while_waiting(site):
    with pool_settings(site, "request_terminate_timeout = 2s"):
        browser = site.client()
        next_request(browser, 1, "at first")
        # The time of a request that was answered is not over, however long its worker goes on.
        _, holder = site.hold(browser.same_visitor(), "edge-waits", count=70, answer_first=1)
        begun = time.monotonic()
        first = InBackground(browser.same_visitor().get, "/t/counter.php")
        site.wait_for_waiters(1, besides=[holder])
        wait_for(lambda: time.monotonic() > begun + 1, "a part of the time is over")
        second = InBackground(browser.same_visitor().get, "/t/counter.php")
        site.wait_for_waiters(2, besides=[holder])
        expect(first.result(15).status == 502, "the first that waited was answered")
        expect(second.running(), "the second got the lock although its holder lives")
        site.release("edge-waits")
        answer = second.result(10).json()
        expect(answer["started"] and answer["count"] == 71, f"counts {answer['count']} instead of 71: {answer['warnings']}")
        next_request(browser, 72, "after the waiting")
        wait_for(lambda: len(site.workers()) == WORKERS, "the ended worker is replaced")
