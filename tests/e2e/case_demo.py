"""The demonstration page as a visitor uses it."""

from browser import Visitor
from checks import case, expect, wait_for


@case("demo: log in, theme, counter, basket, log out")
def whole_visit(site):
    visitor = site.visitor()
    page = visitor.page()
    expect(page.status == 200 and page.handler == "cloakroom", f"status {page.status}, handler {page.handler}")
    expect(page.visitor is None and page.visits == 1 and page.theme == "auto", "a new visitor is not new")

    answer = visitor.log_in("Ada <i>", "wrong")
    expect(answer.status == 303, f"a wrong password answers {answer.status}")
    expect(visitor.page().visitor is None, "a wrong password logs in")

    answer = visitor.log_in("Ada <i>")
    expect(answer.status == 303 and answer.location == "/", f"log in answers {answer.status}")
    page = visitor.page()
    expect(page.visitor == "Ada <i>", "the name is not shown as it was typed")
    expect("<i>" not in page.text, "the name reached the page as markup")

    visits = page.visits
    expect(visitor.page().visits == visits + 1, "the counter does not count")

    for theme in ("dark", "light", "purple"):
        visitor.press("theme", theme=theme)
    expect(visitor.page().theme == "light", "the last theme that exists is not kept")

    for thing in ("coat", "hat", "coat", "piano"):
        visitor.press("hand-over", thing=thing)
    visitor.press("take-back", thing="hat")
    expect(visitor.page().basket == {"coat": 2}, f"the basket holds {visitor.page().basket}")

    expect(visitor.press("log-out").status == 303, "log out does not redirect")
    expect(not visitor.cookies, "log out leaves the cookie")
    page = visitor.page()
    expect(page.visitor is None and page.visits == 1 and page.basket == {}, "log out leaves something behind")


@case("demo: a session id is void after log in and after log out")
def old_ids(site):
    visitor = site.visitor()
    visitor.page()
    before = Visitor(site.port, visitor.cookies)
    visitor.log_in("Grace")
    logged_in = Visitor(site.port, visitor.cookies)
    expect(before.cookies != logged_in.cookies, "log in keeps the session id")

    # For cloakroom.grace seconds it shows what was there before the log in, and nothing more.
    planted = before.cookies.copy()

    def replaced():
        page = before.page()
        expect(page.visitor is None, "the id from before the log in is logged in")
        return page if before.cookies != planted else None

    page = wait_for(replaced, "the id from before the log in is out of use", 20)
    expect(page.visits == 1, "the id from before the log in leaves something behind")

    expect(logged_in.page().visitor == "Grace", "the id from after the log in is not logged in")
    visitor.press("log-out")
    ended = logged_in.cookies.copy()
    page = logged_in.page()
    expect(page.visitor is None and page.visits == 1, "a logged out id is still logged in")
    expect(logged_in.cookies != ended, "a logged out id is still in use")


@case("demo: the cookie is hidden from scripts and other sites, and an invented id is refused")
def cookie_rules(site):
    answer = site.visitor().request("GET", "/")
    expect(len(answer.set_cookies) == 1, f"{len(answer.set_cookies)} cookies are set")
    flags = answer.set_cookies[0].lower()
    expect("httponly" in flags and "samesite=lax" in flags, "the cookie lacks HttpOnly or SameSite")

    invented = Visitor(site.port, {"cloakroom_demo": "a" * 32})
    invented.page()
    expect(invented.cookies["cloakroom_demo"] != "a" * 32, "an id that the visitor invented is accepted")


@case("demo: a form without the session's token changes nothing")
def form_token(site):
    visitor = site.visitor()
    visitor.log_in("Edsger")
    stranger = site.visitor()
    for token in ("", "0" * 32, stranger.page().token):
        answer = visitor.press("hand-over", token=token, thing="coat")
        expect(answer.status == 403, f"a foreign token answers {answer.status}")
    expect(visitor.page().basket == {}, "a foreign token changes the basket")


@case("demo: the panel shows the store's figures")
def panel(site):
    visitor = site.visitor()
    visitor.page()
    before = visitor.page().figure("sessions")
    site.visitor().page()
    after = visitor.page().figure("sessions")
    expect(before >= 1 and after == before + 1, f"{before} sessions, and {after} after one more visitor")
