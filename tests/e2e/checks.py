"""Cases, how they are named and run, and the two ways in which they judge: at once, or within a bound."""

import time
import traceback


class Failed(Exception):
    """What a case expected did not hold."""


class NotHere(Exception):
    """The case cannot be tried as this user or on this machine."""


CASES = []


def case(name):
    """Registers a function as a case; it is called with the site that the servers run for."""

    def register(function):
        CASES.append((name, function))
        return function

    return register


def expect(holds, what):
    """Fails the case with `what` unless `holds`."""
    if not holds:
        raise Failed(what)


def wait_for(condition, what, seconds=30.0):
    """Answers the first true value of `condition()`; fails when there is none within the time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def run_cases(site, words):
    """Runs the cases whose name holds one of the words (all without words); answers passed, failed, skipped."""
    passed = failed = skipped = 0
    for name, function in CASES:
        if words and not any(word in name for word in words):
            continue
        begun = time.monotonic()
        try:
            site.ensure_running()
            function(site)
        except NotHere as reason:
            skipped += 1
            print(f"skipped: {name}: {reason}", flush=True)
        except Failed as reason:
            failed += 1
            print(f"FAIL: {name}: {reason}", flush=True)
            print(site.end_of_logs(), flush=True)
        except Exception:
            failed += 1
            print(f"FAIL: {name}:\n{traceback.format_exc()}", flush=True)
            print(site.end_of_logs(), flush=True)
        else:
            passed += 1
            print(f"ok: {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        finally:
            site.release_all()
    return passed, failed, skipped
