"""Browsers whose session gets other ids, by requests that overlap: a log-out stays one, nobody else is logged out, and a worker
that is killed meanwhile costs its own request only. With the native handler and with the class, in every lock mode, with strict
mode on and off, and on Redis."""

import contextlib
import itertools
import os
import signal
import time

from browser import Browser, InBackground
from case_accounts import COOKIE, OldCookies
from checks import case, expect, wait_for
from redis_server import RedisServer
from servers import Site

BROWSERS = 10
# Enough for all log-outs and those who ask meanwhile.
WORKERS = 24
PARALLEL = 6
MODES = ("exclusive", "merge", "none")
LOG_OUTS = ("Yii2", "Yii2 and clear the cookie", "CakePHP", "CodeIgniter")
# On a busy machine answers take a while.
PATIENCE = 120


class Jar(dict):
    """The cookies of one browser, and every id that its session cookie ever had."""

    def __init__(self):
        super().__init__()
        self.ever = []

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        if name == COOKIE and value not in self.ever:
            self.ever.append(value)


class Shopper:
    """One browser under one handler, lock mode and strict mode."""

    numbers = itertools.count(1)

    def __init__(self, site, settings):
        self.site = site
        self.settings = settings
        self.number = next(self.numbers)
        self.user = f"user {self.number}"
        self.jar = Jar()
        self.items = itertools.count(1)

    def expect(self, holds, what):
        said = ", ".join(f"{name} {value}" for name, value in self.settings.items() if name != "at")
        expect(holds, f"{said}: {what}")

    def request(self, deed, cookies=None, **more):
        """A request with the cookies of this moment, as a function that sends it and answers the fields of its answer. What that
        sets goes into the jar."""
        connection = Browser(self.site.port)
        connection.cookies = OldCookies(self.jar, self.jar) if cookies is None else dict(cookies)
        sent = connection.cookies.get(COOKIE)

        def send():
            try:
                response = connection.get("/t/rotation.php", deed=deed, **self.settings, **more)
            finally:
                connection.close()
            self.expect(response.status == 200, f"{deed}: status {response.status}")
            answer = response.json()
            self.expect(answer["started"] and answer["done"] and not answer["warnings"], f"{deed}: {answer}")
            return answer | {"sent": sent, "set": response.set_cookies}

        return send

    def does(self, deed, **more):
        return self.request(deed, **more)()

    def begins(self, deed, **more):
        return InBackground(self.request(deed, **more))

    def item(self):
        """A name for something that only one request puts into the cart."""
        return f"item {next(self.items)}"

    def logs_in(self):
        """Shops, and logs in then."""
        self.does("put", item=self.item())
        self.does("log in", user=self.user)
        self.is_logged_in("after the log-in")

    def is_logged_in(self, when):
        answer = self.does("look")
        self.expect(answer["user"] == self.user, f"{when} {answer['user']} is logged in instead of {self.user}")
        return answer

    def is_logged_out(self, deed, ids, when):
        for id in ids:
            user = self.does(deed, cookies={COOKIE: id})["user"]
            which = "the id of now" if id == self.jar.get(COOKIE) else "an id from before"
            self.expect(user is None, f"{when}, with {which}, {deed}: {user} is logged in")


def all_settings(*modes):
    """Every handler and strict mode, with each of the lock modes."""
    for handler, mode, strict in itertools.product(("native", "class"), modes, (1, 0)):
        yield {"handler": handler, "mode": mode, "strict": strict}


@contextlib.contextmanager
def many_workers():
    """Servers with workers enough for all browsers."""
    site = Site(workers=WORKERS)
    try:
        site.start()
        yield site
    except Exception:
        # What the caller shows are the logs of its own servers.
        print(site.end_of_logs(), flush=True)
        raise
    finally:
        site.release_all()
        site.remove()


@contextlib.contextmanager
def redis_settings(site):
    server = RedisServer(site.dir / "rotation")
    try:
        server.start()
        yield {"handler": "native", "mode": "exclusive", "strict": 1, "at": server.address()}
    finally:
        server.kill()


def at_once(site, settings, act):
    """As many browsers as there are, each doing the same at the same time."""
    for running in [InBackground(act, Shopper(site, settings)) for _ in range(BROWSERS)]:
        running.result(PATIENCE * 2)


def log_outs(shopper):
    """Logs out as each framework does, while other requests of the browser are on their way that replace the id."""
    for framework in LOG_OUTS:
        before = len(shopper.jar.ever)
        former = shopper.jar.get(COOKIE)
        shopper.logs_in()
        click = f"log-out-{shopper.number}-{framework}"
        # All three send the cookie of now. Where nobody waits for a lock, the first one that asks has read the session before it
        # is logged out, and replaces the id afterwards; the second one begins when that has been called and is not answered.
        log_out, *asks = (
            shopper.request(f"log out as {framework}", signal=click),
            shopper.request("rotate", after=f"{click}-called"),
            shopper.request("rotate"),
        )
        log_out = InBackground(log_out)
        asked = []
        for ask, signalled in zip(asks, (f"{click}.held", f"{click}-called.go")):
            path = shopper.site.signals / signalled
            wait_for(lambda: path.exists() or not log_out.running(), "the log-out goes on", PATIENCE)
            time.sleep(0.005)
            asked.append(InBackground(ask))
        answer = log_out.result(PATIENCE)
        shopper.expect(answer["user"] == shopper.user, f"{framework}: {answer['user']} logs out")
        asked.append(shopper.begins("rotate"))
        for ask in asked:
            ask.result(PATIENCE)
        when = f"after the log-out as {framework}"
        shopper.expect(shopper.does("look")["user"] is None, f"{when} the browser is logged in")
        of_now = shopper.jar.ever[before:] + ([former] if former else [])
        shopper.is_logged_out("look", of_now, when)
        shopper.is_logged_out("read", of_now, when)
    shopper.is_logged_out("read", shopper.jar.ever, "in the end")


def puts_and_reads(shopper, item, id):
    """Puts something into the cart. Answers it, unless it was dropped: then it is not there afterwards."""
    answer = shopper.does("put", cookies={COOKIE: id}, item=item)
    shopper.expect(answer["user"] == shopper.user, f"who only writes finds {answer['user']}")
    return {item} & set(shopper.does("read", cookies={COOKIE: id})["cart"])


def rotations(shopper):
    """Several times requests that overlap and all replace the id, beside some that only write."""
    shopper.logs_in()
    cart = set(shopper.does("look")["cart"])
    for number, deed in enumerate(("put and rotate", "rotate and put", "put and rotate")):
        former = shopper.jar[COOKIE]
        before = len(shopper.jar.ever)
        items = [shopper.item() for _ in range(PARALLEL)]
        # Each sends the cookie of this moment.
        requests = [shopper.request(deed, item=item) for item in items]
        putting = InBackground(puts_and_reads, shopper, shopper.item(), former)
        running = [InBackground(request) for request in requests]
        answers = [request.result(PATIENCE) for request in running]
        when = f"after round {number + 1}"
        for answer in answers:
            shopper.expect(answer["sent"] == former, f"{when}: a request has sent another cookie")
            shopper.expect(answer["user"] == shopper.user, f"{when}: one of the requests finds {answer['user']}")
            shopper.expect(len(answer["set"]) == answer["rotated"], f"{when}: a request got {len(answer['set'])} cookies")
        successors = shopper.jar.ever[before:]
        shopper.expect(len(successors) == 1, f"{when}: one id has {len(successors)} successors")
        shopper.expect(shopper.jar[COOKIE] == successors[0], f"{when}: the jar has the former id")
        cart |= {item for item, answer in zip(items, answers) if answer["rotated"]}
        put = putting.result(PATIENCE)
        if shopper.settings["mode"] != "none":
            # There the last write wins.
            cart |= put
        answer = shopper.is_logged_in(when)
        lost = cart - set(answer["cart"])
        shopper.expect(not lost, f"{when}: the cart has lost {sorted(lost)}")
        for deed_of_old in ("read", "look"):
            user = shopper.does(deed_of_old, cookies={COOKIE: former})["user"]
            shopper.expect(user == shopper.user, f"{when}: with the former id, {deed_of_old}, {user} is logged in")
    # Now each begins when it begins: some may send an id that another one of them got.
    before = len(shopper.jar.ever)
    running = [InBackground(lambda: shopper.does("put and rotate", item=shopper.item())) for _ in range(PARALLEL)]
    successors = {}
    for answer in [request.result(PATIENCE) for request in running]:
        if answer["rotated"]:
            shopper.expect(answer["sent"] not in successors, "one id was replaced twice")
            successors[answer["sent"]] = answer
    shopper.expect(len(shopper.jar.ever) - before == len(successors), "the ids of the last round are not all different")
    shopper.expect(shopper.jar[COOKIE] == shopper.jar.ever[-1], "the jar has a former id")
    shopper.is_logged_in("in the end")


@case("rotation: logged out stays logged out, though requests that replace the id are on their way")
def stays_logged_out(_shared_site):
    with many_workers() as site:
        for settings in all_settings(*MODES):
            at_once(site, settings, log_outs)


@case("rotation: requests that overlap and all replace the id leave one session, which is the user's")
def stays_logged_in(_shared_site):
    with many_workers() as site:
        for settings in all_settings(*MODES):
            at_once(site, settings, rotations)


@case("rotation: a worker killed between its new id and its end leaves the session under the old one")
def killed(site):
    for settings in all_settings(*MODES):
        shopper = Shopper(site, settings)
        shopper.logs_in()
        cart = shopper.does("look")["cart"]
        cookie = shopper.jar[COOKIE]
        name = f"rotation-killed-{shopper.number}"
        client = Browser(site.port)
        client.cookies = OldCookies(shopper.jar, shopper.jar)
        dying, worker = site.stop_at(client, "/t/rotation.php", name, deed="rotate and be killed", **settings)
        meanwhile = shopper.begins("look")
        os.kill(worker, signal.SIGKILL)
        shopper.expect(dying.result(PATIENCE).status == 502, "the killed request was answered")
        shopper.expect(shopper.jar[COOKIE] == cookie, "the killed request has set a cookie")
        user = meanwhile.result(PATIENCE)["user"]
        shopper.expect(user == shopper.user, f"a request that may have waited for the killed one finds {user}")
        item = shopper.item()
        for deed in ("read", "look", "put", "look", "rotate", "look"):
            answer = shopper.does(deed, item=item)
            shopper.expect(answer["user"] == shopper.user, f"after the kill {deed} finds {answer['user']}")
            shopper.expect(answer["cart"] == cart, f"after the kill {deed} finds {answer['cart']} instead of {cart}")
            shopper.expect(answer["rotated"] == (deed == "rotate"), f"after the kill {deed} gets another id, or none")
            if deed == "put":
                cart.append(item)
        wait_for(lambda: len(site.workers()) == site.number_of_workers, "the killed worker is replaced")


@case("rotation: on Redis a log-out stays one, and requests that overlap leave one session")
def on_redis(_shared_site):
    with many_workers() as site, redis_settings(site) as settings:
        at_once(site, settings, log_outs)
        at_once(site, settings, rotations)
