"""Sessions on a Redis server that fails: whoever has a cookie keeps it, and finds the session again afterwards."""

import contextlib

from browser import InBackground
from checks import case, expect
from redis_server import RedisServer

# What session_start() may take by the timeouts of the address, and what measuring it through a busy machine may add.
TIMEOUTS = {"connect_timeout": "0.4", "timeout": "0.4"}
LIMIT = 0.8 + 0.1
ATTEMPTS = 4
# Seconds that a lock outlives a request that gave up.
LOCK_TTL = 2


@contextlib.contextmanager
def running(site, name):
    server = RedisServer(site.dir / name)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def counts(browser, address, count, when):
    """The visitor's request counts to `count` under the cookie that is there."""
    answer = browser.get("/t/shared.php", at=address, lock_ttl=LOCK_TTL)
    found = answer.json()
    expect(found["started"] and not found["warnings"], f"{when} the session does not work: {found['warnings']}")
    expect(found["count"] == count, f"{when} the session counts {found['count']} instead of {count}")
    expect(not answer.set_cookies, f"{when} the visitor got another cookie")


def visitor(site, address):
    """A visitor whose session counts 2 already."""
    browser = site.client()
    expect(browser.get("/t/shared.php", at=address).json()["count"] == 1, "a session does not begin")
    expect(len(browser.cookies) == 1, "the first request brought no cookie")
    counts(browser, address, 2, "at first")
    return browser


def fails(browser, address, when):
    """The visitor's request gets a warning and no session, and the cookie stays. Answers how long session_start() took."""
    answer = browser.get("/t/shared.php", at=address, lock_ttl=LOCK_TTL)
    found = answer.json()
    expect(found["started"] is False, f"{when} session_start() did not return false")
    expect(not answer.set_cookies, f"{when} the visitor's cookie was replaced")
    told = [text for text in found["warnings"] if "session server" in text]
    expect(told, f"{when} no warning names the server: {found['warnings']}")
    return found["took"]


def fails_for_all(site, browser, address, when):
    """So it is for requests on all workers at once; and for one alone within the timeouts."""
    others = [InBackground(fails, browser.same_visitor(), address, when) for _ in range(site.number_of_workers)]
    for other in others:
        other.result(30)
    took = min(fails(browser.same_visitor(), address, when) for _ in range(ATTEMPTS))
    expect(took <= LIMIT, f"{when} session_start() takes {took:.2f} s")


@case("redis: an outage replaces nobody's cookie")
def outage(site):
    with running(site, "outage") as server:
        address = server.address(**TIMEOUTS)
        browser = visitor(site, address)
        server.pause()
        fails_for_all(site, browser, address, "while the server is stopped")
        server.resume()
        # A request that gave up may have left its lock, which runs out by itself; session_start() waits for it.
        counts(browser, address, 3, "after the server went on")
        server.kill()
        fails_for_all(site, browser, address, "while the server is down")
        server.socket.unlink(missing_ok=True)
        fails_for_all(site, browser, address, "without a socket")
        server.start()
        counts(browser, address, 4, "after the server came back")


@case("redis: an outage between reading and writing loses that request's change only, and says so")
def outage_between(site):
    with running(site, "between") as server:
        address = server.address(**TIMEOUTS)
        browser = visitor(site, address)
        request, _ = site.stop_at(
            browser.same_visitor(), "/t/shared.php", "between", at=address, lock_ttl=LOCK_TTL
        )
        server.kill()
        site.release("between")
        answer = request.result(30)
        found = answer.json()
        expect(found["started"], f"the session did not start: {found}")
        expect(any("session server" in text for text in found["warnings"]), f"no warning: {found['warnings']}")
        expect(not answer.set_cookies, "the visitor's cookie was replaced")
        server.start()
        counts(browser, address, 3, "after the outage")


@case("redis: a wrong password or a wrong address replaces nobody's cookie")
def misconfigured(site):
    with running(site, "misconfigured") as server:
        address = server.address()
        browser = visitor(site, address)
        for wrong, words in [
            (address.replace("://", "://:hunter2@"), "session server"),
            (server.address(db="99"), "session server"),
            (address.replace("socket", "nowhere"), "session server"),
            (address.replace("://", "://u:hunter2@h@"), "more than one @"),
            (server.address(timeouts="1"), "there is no such option"),
        ]:
            answer = browser.get("/t/shared.php", at=wrong)
            found = answer.json()
            expect(found["started"] is False and not answer.set_cookies, f"{words}: {found}, {answer.set_cookies}")
            # PHP's own warnings show the address as it was set, whatever the handler does.
            own = " ".join(text for text in found["warnings"] if "Cloakroom:" in text)
            expect(words in own, f"no warning says \"{words}\": {own}")
            expect("hunter2" not in own, "a warning shows the password")
        counts(browser, address, 3, "afterwards")
