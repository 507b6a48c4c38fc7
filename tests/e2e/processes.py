"""Processes as /proc shows them: who descends from whom, who is still there, and ending them by their id."""

import os
import signal
import time


def stat_of(pid):
    """The parent and the state of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The command name in parentheses may hold anything, spaces and parentheses too.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), fields[0].decode()


def is_alive(pid):
    """Whether the process is there and not merely waiting to be collected by its parent."""
    stat = stat_of(pid)
    return stat is not None and stat[1] not in "ZX"


def children_of(pid):
    """The direct children of a process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = stat_of(int(entry))
            if stat is not None and stat[0] == pid and stat[1] not in "ZX":
                found.append(int(entry))
    return found


def descendants_of(pid):
    """All processes below one, itself first."""
    family = [pid]
    for member in family:
        family.extend(children_of(member))
    return family


def kill_all(pids):
    """SIGKILL for every process of the list that is still there, and returns when none is."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return gone_within(pids, 10.0)


def gone_within(pids, seconds):
    """Whether all processes of the list end within the time."""
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
