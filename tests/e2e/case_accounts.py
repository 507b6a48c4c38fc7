"""Logging in and out, and changes of the id, while other requests of the visitor are on their way: with the native handler
and with the class, in every lock mode, with strict mode on and off."""

import itertools

from browser import Browser, InBackground
from checks import case, expect

COOKIE = "PHPSESSID"


class Account:
    """One visitor's browser under one handler, lock mode and strict mode."""

    numbers = itertools.count(1)

    def __init__(self, site, handler, mode, strict):
        self.site = site
        self.browser = site.client()
        self.settings = {"handler": handler, "mode": mode, "strict": strict}
        self.waits = mode == "exclusive"
        self.strict = strict == 1
        self.name = f"{handler}, {mode}, strict mode {'on' if self.strict else 'off'}"

    def query(self, deed, **more):
        return {"deed": deed, **self.settings, **more}

    def does(self, deed, browser=None, **more):
        """A request from its beginning to its end; answers its fields. `browser` is another one than the visitor's."""
        return self.judged(deed, (browser or self.browser).get("/t/account.php", **self.query(deed, **more)))

    def judged(self, deed, response):
        """The fields of a response, which came without any warning."""
        self.expect(response.status == 200, f"{deed}: status {response.status}")
        answer = response.json()
        self.expect(answer["started"] and answer["done"] and not answer["warnings"], f"{deed}: {answer}")
        answer["cookies"] = len(response.set_cookies)
        return answer

    def stops(self, deed, browser, **more):
        """Begins a request that stops after its session_start()."""
        signal = f"account-{next(self.numbers)}"
        return Stopped(self, deed, signal, *self.site.stop_at(browser, "/t/account.php", signal, **self.query(deed, **more)))

    def expect(self, holds, what):
        expect(holds, f"{self.name}: {what}")

    @property
    def id(self):
        return self.browser.cookies[COOKIE]

    def with_old_cookie(self):
        """Another connection that still sends the cookie of now, whatever the jar will hold."""
        return Browser(self.browser.port, self.browser.cookies)


class Stopped:
    """A request of an account that has started its session and waits for the test."""

    def __init__(self, account, deed, signal, request, worker):
        self.account = account
        self.deed = deed
        self.signal = signal
        self.request = request
        self.worker = worker

    def goes_on(self):
        """Lets it go on; answers its fields."""
        self.account.site.release(self.signal)
        return self.account.judged(self.deed, self.request.result(20))


class OldCookies(dict):
    """Sends old cookies, and keeps in the jar what is set."""

    def __init__(self, jar, old):
        super().__init__(old)
        self.jar = jar

    def __setitem__(self, name, value):
        self.jar[name] = value

    def pop(self, name, default=None):
        return self.jar.pop(name, default)


def accounts(site):
    """An account under each combination."""
    for handler, mode, strict in itertools.product(("native", "class"), ("exclusive", "merge", "none"), (1, 0)):
        yield Account(site, handler, mode, strict)


@case("accounts: log in, log out, log in again on one cookie")
def again_on_one_cookie(site):
    for visitor in accounts(site):
        ids = []
        for user in ("ada", "bob", "eve"):
            answer = visitor.does("log in", user=user)
            visitor.expect(answer["user"] is None, f"{user} finds {answer['user']} logged in")
            ids.append(visitor.id)
            visitor.expect(visitor.does("look")["user"] == user, f"{user} is not logged in")
            visitor.does("log out")
            visitor.expect(visitor.does("read")["user"] is None, f"{user} is not logged out")
        kept = len(set(ids)) == 1
        visitor.expect(kept != visitor.strict, f"{len(set(ids))} ids for three visits on one cookie")


@case("accounts: a logout is final, whatever slower requests write")
def logout_is_final(site):
    for visitor in accounts(site):
        visitor.does("log in", user="ada")
        browser = visitor.with_old_cookie()
        if visitor.waits:
            # With a lock, the slower request is one that waits for it.
            log_out = visitor.stops("log out", visitor.browser.tab())
            work = InBackground(browser.get, "/t/account.php", **visitor.query("work"))
            site.wait_for_waiters(1, besides=[log_out.worker])
            log_out.goes_on()
            answer = visitor.judged("work", work.result(20))
            visitor.expect(answer["user"] is None, "the slower request still finds the user")
        else:
            work = visitor.stops("work", browser)
            visitor.does("log out")
            visitor.expect(work.goes_on()["user"] == "ada", "the slower request began too late to show anything")
        for deed in ("read", "look"):
            user = visitor.does(deed, browser=visitor.with_old_cookie())["user"]
            visitor.expect(user is None, f"after the logout {user} is logged in")


@case("accounts: a logout is not undone by slower requests although somebody logged in on the same cookie since")
def login_after_logout(site):
    for visitor in accounts(site):
        if visitor.waits:
            # Nobody can log in beside a request that holds the lock.
            continue
        visitor.does("log in", user="ada")
        work = visitor.stops("work", visitor.with_old_cookie())
        visitor.does("log out")
        visitor.does("log in", user="bob")
        visitor.expect(work.goes_on()["user"] == "ada", "the slower request began too late to show anything")
        visitor.expect(visitor.does("look")["user"] == "bob", "who logged in since is not logged in")


@case("accounts: a logout and a message for the next page in one request")
def logout_with_message(site):
    for visitor in accounts(site):
        visitor.does("log in", user="ada")
        visitor.does("log out with a message")
        answer = visitor.does("look")
        visitor.expect(answer["user"] is None, "the user is still logged in")
        visitor.expect(answer["message"] == "Good bye", f"the message is {answer['message']}")
        visitor.does("log in", user="bob")
        visitor.expect(visitor.does("look")["user"] == "bob", "nobody can log in afterwards")


@case("accounts: a change of the id logs nobody out, with parallel requests before, during and after it")
def change_of_the_id(site):
    for visitor in accounts(site):
        visitor.does("log in", user="ada")
        jar = visitor.browser
        old_cookies = dict(jar.cookies)
        if visitor.waits:
            change = visitor.stops("change the id", jar.tab())
            works = [InBackground(jar.tab().get, "/t/account.php", **visitor.query("work")) for _ in range(2)]
            site.wait_for_waiters(2, besides=[change.worker])
            reads = visitor.does("read", browser=jar.tab())
            visitor.expect(reads["user"] == "ada" and reads["cookies"] == 0, f"a reader meanwhile got {reads}")
            changed = change.goes_on()
            late = [visitor.judged("work", work.result(20)) for work in works]
        else:
            works = [visitor.stops("work", jar.tab()) for _ in range(2)]
            change = visitor.stops("change the id", jar.tab())
            changed = change.goes_on()
            late = [work.goes_on() for work in works]
        visitor.expect(changed["cookies"] == 1, f"the change of the id set {changed['cookies']} cookies")
        visitor.expect(visitor.id != old_cookies[COOKIE], "the jar has the old id")
        # Sent before the new cookie arrived, so with the old one; what comes back goes into the one jar.
        for deed in ("read", "look", "work"):
            tab = jar.tab()
            tab.cookies = OldCookies(jar.cookies, old_cookies)
            late.append(visitor.does(deed, browser=tab))
        for answer in late:
            visitor.expect(answer["user"] == "ada", f"a request with the old id finds {answer['user']}")
            visitor.expect(answer["cookies"] == 0, "a request with the old id got another cookie")
        answer = visitor.does("work")
        visitor.expect(answer["user"] == "ada", f"afterwards {answer['user']} is logged in")
        visitor.expect(answer["cookies"] == 0, "the new id is not accepted")
