"""Who may choose the lock mode: php.ini, a directory, a pool, a script; and for how long."""

from case_edges import pool_settings
from checks import case, expect


def modes(browser, **query):
    """The fields that t/mode.php answers, for the site's directory and for the one with a .user.ini."""
    return [browser.get(f"/t/{place}mode.php", **query).json() for place in ("", "merging/")]


@case("modes: a directory's .user.ini chooses for its scripts, and a script for its request")
def directory_and_script(site):
    browser = site.client()
    browser.get("/t/counter.php")
    holding, _ = site.hold(browser.same_visitor(), "modes", count=5)

    here, there = modes(browser)
    expect((here["mode"], here["started"]) == ("exclusive", False), f"without a choice: {here}")
    expect((there["mode"], there["started"]) == ("merge", True), f"where .user.ini says merge: {there}")
    for way in ("set", "option"):
        for chosen, starts in (("exclusive", False), ("merge", True), ("none", True)):
            for answer in modes(browser, **{way: chosen}):
                expect(answer["started"] == starts, f"{way} {chosen}: {answer}")
    # Of all these choices nothing is left in the workers.
    for _ in range(8):
        here, there = modes(browser)
        left = (here["mode"], here["option"], here["started"], there["mode"], there["option"], there["started"])
        expect(left == ("exclusive", "", False, "merge", "", True), f"a request later: {here}, {there}")
    site.release("modes")
    holding.result(10)


@case("modes: a pool's php_value can be changed by the script, its php_admin_value cannot")
def pool(site):
    for kind, may_change in (("php_value", True), ("php_admin_value", False)):
        with pool_settings(site, f"{kind}[cloakroom.lock] = none"):
            browser = site.client()
            browser.get("/t/counter.php")
            site.hold(browser.same_visitor(), f"modes-{kind}", count=5)
            answer = browser.get("/t/mode.php").json()
            # PHP reads the word none, without quotes, as an empty value.
            expect((answer["mode"], answer["started"]) == ("", True), f"{kind}: {answer}")
            answer = browser.get("/t/mode.php", set="exclusive").json()
            expect(answer["set"] == may_change, f"{kind}: ini_set() says {answer['set']}")
            expect(answer["mode"] == ("exclusive" if may_change else ""), f"{kind}: then the mode is {answer['mode']}")
            answer = browser.get("/t/counter.php").json()
            expect(answer["started"] and answer["count"] == 2, f"{kind}: a writer beside another got {answer}")
            site.release(f"modes-{kind}")
