"""Runs the cases and ends with the line "N passed, N failed"."""

import signal
import sys

import case_accounts  # noqa: F401  (importing a module registers its cases)
import case_browser  # noqa: F401
import case_dashboard  # noqa: F401
import case_demo  # noqa: F401
import case_edges  # noqa: F401
import case_locking  # noqa: F401
import case_make_run  # noqa: F401
import case_modes  # noqa: F401
import case_numbers  # noqa: F401
import case_redis  # noqa: F401
import case_restart  # noqa: F401
import case_rotation  # noqa: F401
import case_trouble  # noqa: F401
from checks import run_cases
from servers import Site

# What all cases together may take; a hanging server fails the run instead of holding it.
LIMIT_SECONDS = 1800


def give_up(number, _frame):
    raise SystemExit(f"ended by signal {number}: {'too slow' if number == signal.SIGALRM else 'asked to'}")


def main():
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, give_up)
    signal.alarm(LIMIT_SECONDS)
    site = Site()
    try:
        passed, failed, skipped = run_cases(site, sys.argv[1:])
    finally:
        site.remove()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
