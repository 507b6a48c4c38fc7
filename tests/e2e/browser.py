"""A client with a cookie jar, and what a visitor does on the demonstration page."""

import html
import http.client
import json
import re
import threading
import urllib.parse
from http.cookies import SimpleCookie


class Answer:
    """One response."""

    def __init__(self, status, headers, body):
        self.status = status
        self.location = headers.get("Location")
        self.set_cookies = headers.get_all("Set-Cookie") or []
        self.text = body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.text)


class Browser:
    """One visitor: keeps cookies, follows no redirects, keeps its connection."""

    def __init__(self, port, cookies=None):
        self.port = port
        self.cookies = dict(cookies or {})
        self.connection = None

    def same_visitor(self):
        """Another connection with the same cookies."""
        return Browser(self.port, self.cookies)

    def tab(self):
        """Another connection of the same browser: what it is sent goes into the one cookie jar when it arrives."""
        tab = Browser(self.port)
        tab.cookies = self.cookies
        return tab

    def request(self, method, path, fields=None, timeout=60, headers=()):
        headers = dict(headers)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if response.will_close:
            self.close()
        for line in answer.set_cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["expires"].startswith("Thu, 01-Jan-1970") or morsel["expires"].startswith("Thu, 01 Jan 1970"):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value
        return answer

    def get(self, path, **query):
        return self.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Visitor(Browser):
    """A visitor of the demonstration page."""

    def page(self):
        """Loads the page and answers what it shows."""
        answer = self.request("GET", "/")
        return Page(answer)

    def press(self, action, token=None, **fields):
        """Posts a form of the page; the token is taken from a freshly loaded page unless it is given."""
        if token is None:
            token = self.page().token
        return self.request("POST", "/", {"token": token, "action": action, **fields})

    def log_in(self, name, password="cloakroom"):
        return self.press("log-in", name=name, password=password)


class Page:
    """What the demonstration page shows."""

    def __init__(self, answer):
        self.status = answer.status
        self.text = answer.text

    def _find(self, pattern):
        found = re.search(pattern, self.text)
        return html.unescape(found.group(1)) if found else None

    @property
    def token(self):
        return self._find(r'name="token" value="([0-9a-f]+)"')

    @property
    def visits(self):
        return int(self._find(r'id="visits">(\d+)<') or 0)

    @property
    def visitor(self):
        return self._find(r'id="visitor">([^<]*)<')

    @property
    def theme(self):
        return self._find(r'<html[^>]* data-theme="([a-z]+)"')

    @property
    def notice(self):
        return self._find(r'class="notice"[^>]*>([^<]*)<')

    @property
    def basket(self):
        rows = re.findall(r'<li data-thing="([a-z]+)" data-number="(\d+)"', self.text)
        return {thing: int(number) for thing, number in rows}

    def figure(self, name):
        """A number of the panel, spelt with spaces between thousands."""
        return int((self._find(rf'<dd id="{name}">([\d ]+)<') or "-1").replace(" ", ""))

    @property
    def handler(self):
        return self._find(r"session\.save_handler = ([a-z_]+)")


class InBackground:
    """Runs a function in a thread; `result()` answers what it returned or raises what it raised."""

    def __init__(self, function, *arguments, **named):
        self._value = None
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(function, arguments, named), daemon=True)
        self._thread.start()

    def _run(self, function, arguments, named):
        try:
            self._value = function(*arguments, **named)
        except Exception as error:
            self._error = error

    def running(self):
        return self._thread.is_alive()

    def result(self, seconds=60.0):
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise TimeoutError(f"no answer within {seconds:g} s")
        if self._error is not None:
            raise self._error
        return self._value
