"""Requests of one session that overlap."""

import os
import signal
import time

from browser import InBackground
from checks import case, expect


def increments(browser, number):
    """Adds `number` to the session's counter, one request each."""
    for _ in range(number):
        answer = browser.get("/t/counter.php").json()
        expect(answer["started"] and answer["written"], f"a request got no session: {answer['warnings']}")


@case("locking: 8 clients adding 200 each to one counter make 1,600")
def no_lost_update(site):
    first = site.client()
    first.get("/t/read.php")
    clients = [InBackground(increments, first.same_visitor(), 200) for _ in range(8)]
    for client in clients:
        client.result(120)
    count = first.get("/t/read.php").json()["count"]
    expect(count == 1600, f"the counter is {count}")


@case("locking: sessions of different visitors do not mix")
def no_mixing(site):
    def visit(name):
        browser = site.client()
        for number in range(1, 101):
            answer = browser.get("/t/counter.php", owner=name).json()
            expect(answer["owner"] == name, f"{name} sees the session of {answer['owner']}")
            expect(answer["count"] == number, f"{name} counts {answer['count']} instead of {number}")

    for visitor in [InBackground(visit, f"visitor {number}") for number in range(8)]:
        visitor.result(120)


@case("locking: a request waits for the one before it and sees what that wrote")
def waits(site):
    browser = site.client()
    browser.get("/t/counter.php")
    holding, holder = site.hold(browser.same_visitor(), "waits", count=40)
    waiting = InBackground(browser.get, "/t/counter.php")
    site.wait_for_waiters(1, besides=[holder])
    site.release("waits")
    expect(holding.result(10).json()["written"], "the holder could not write")
    answer = waiting.result(10).json()
    expect(answer["count"] == 41, f"the waiting request counts {answer['count']} instead of 41")


@case("locking: read_and_close does not wait, and reads what was committed")
def readers_do_not_wait(site):
    browser = site.client()
    browser.get("/t/counter.php")
    holding, _ = site.hold(browser.same_visitor(), "reader", count=99)
    begun = time.monotonic()
    answer = browser.get("/t/read.php").json()
    took = time.monotonic() - begun
    expect(holding.running(), "the holder ended too early to tell")
    site.release("reader")
    holding.result(10)
    expect(answer["started"] and answer["count"] == 1, f"read {answer['count']} instead of the committed 1")
    expect(took < 1, f"reading took {took:.2f} s")
    expect(browser.get("/t/read.php").json()["count"] == 99, "the holder's write is not there")


@case("locking: when the wait is over the warning names the holder and the cookie stays")
def wait_is_over(site):
    browser = site.client()
    browser.get("/t/counter.php")
    holding, holder = site.hold(browser.same_visitor(), "over", count=7)
    for seconds in (0, 1):
        response = browser.get("/t/counter.php", lock_wait=seconds)
        answer = response.json()
        expect(answer["started"] is False, "session_start() did not return false")
        expect(seconds <= answer["waited"] < seconds + 1, f"waited {answer['waited']:.2f} s instead of {seconds}")
        named = [text for text in answer["warnings"] if str(holder) in text and "hold.php" in text]
        expect(named, f"no warning names process {holder} and its script: {answer['warnings']}")
        expect(not response.set_cookies, "a cookie was set")
    site.release("over")
    holding.result(10)
    answer = browser.get("/t/counter.php").json()
    expect(answer["count"] == 8, f"the session counts {answer['count']} instead of 8 afterwards")


@case("locking: more waiters than max_waiters are turned away at once")
def too_many_waiters(site):
    browser = site.client()
    browser.get("/t/counter.php")
    holding, holder = site.hold(browser.same_visitor(), "crowd", count=0)
    waiting = InBackground(browser.same_visitor().get, "/t/counter.php")
    site.wait_for_waiters(1, besides=[holder])
    answer = browser.get("/t/counter.php", max_waiters=1, lock_wait=5).json()
    expect(answer["started"] is False, "session_start() did not return false")
    expect(answer["waited"] < 2, f"the second waiter waited {answer['waited']:.2f} s")
    expect(any("max_waiters" in text for text in answer["warnings"]), f"warnings: {answer['warnings']}")
    site.release("crowd")
    holding.result(10)
    expect(waiting.result(10).json()["count"] == 1, "the first waiter did not get the session")


@case("locking: a worker killed while it holds the session leaves the committed data and no lock")
def killed_holder(site):
    browser = site.client()
    for _ in range(3):
        browser.get("/t/counter.php")

    dying, holder = site.hold(browser.same_visitor(), "dies-alone", count=500)
    os.kill(holder, signal.SIGKILL)
    begun = time.monotonic()
    answer = browser.get("/t/counter.php").json()
    took = time.monotonic() - begun
    expect(answer["started"] and answer["count"] == 4, f"counts {answer['count']} instead of 4: {answer['warnings']}")
    expect(took < 2, f"the next request took {took:.2f} s")
    expect(dying.result(10).status == 502, "the killed request was answered")

    dying, holder = site.hold(browser.same_visitor(), "dies-awaited", count=500)
    waiting = [InBackground(browser.same_visitor().get, "/t/counter.php") for _ in range(2)]
    site.wait_for_waiters(2, besides=[holder])
    begun = time.monotonic()
    os.kill(holder, signal.SIGKILL)
    counts = sorted(request.result(10).json()["count"] for request in waiting)
    took = time.monotonic() - begun
    expect(counts == [5, 6], f"the waiting requests count {counts} instead of 5 and 6")
    expect(took < 2, f"the waiting requests took {took:.2f} s after the kill")
    dying.result(10)


@case("locking: a worker killed while it waits leaves the queue in order")
def killed_waiter(site):
    browser = site.client()
    browser.get("/t/counter.php")
    holding, holder = site.hold(browser.same_visitor(), "outlives", count=10)
    first = InBackground(browser.same_visitor().get, "/t/counter.php")
    [waiter] = site.wait_for_waiters(1, besides=[holder])
    second = InBackground(browser.same_visitor().get, "/t/counter.php")
    site.wait_for_waiters(1, besides=[holder, waiter])
    os.kill(waiter, signal.SIGKILL)
    expect(first.result(10).status == 502, "the killed request was answered")
    expect(second.running(), "the lock was handed over although its holder lives")
    site.release("outlives")
    expect(holding.result(10).json()["written"], "the holder could not write")
    answer = second.result(10).json()
    expect(answer["count"] == 11, f"the second waiter counts {answer['count']} instead of 11")
