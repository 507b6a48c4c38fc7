"""The figures of the store: every worker's traffic is in them, whichever worker tells them."""

from browser import InBackground
from checks import case, expect
from openmetrics import Exposition

VISITS = 40


def exposition(site):
    answer = site.client().get("/t/metrics.php")
    expect(answer.status == 200, f"metrics answer {answer.status}")
    return Exposition(answer.text)


@case("numbers: metrics count the traffic of all workers, and a strict parser reads them")
def metrics_count_all_workers(site):
    site.client().get("/t/counter.php")
    before = exposition(site)

    def visit():
        browser = site.client()
        return {browser.get("/t/counter.php").json()["pid"] for _ in range(VISITS)}

    visitors = [InBackground(visit) for _ in range(4)]
    workers = set().union(*(visitor.result(60) for visitor in visitors))
    expect(len(workers) >= 2, f"only {len(workers)} worker answered")
    after = exposition(site)

    def change(name, **labels):
        return after.value(name, **labels) - before.value(name, **labels)

    expect(change("cloakroom_sessions") == 4, f"{change('cloakroom_sessions')} sessions more")
    expect(change("cloakroom_creates_total") == 4, f"{change('cloakroom_creates_total')} sessions begun")
    expect(change("cloakroom_writes_total") == 4 * VISITS, f"{change('cloakroom_writes_total')} writes")
    expect(change("cloakroom_reads_total") >= 4 * VISITS, f"{change('cloakroom_reads_total')} reads")
    expect(change("cloakroom_lock_wait_seconds_count") == 0, "somebody waited though nobody had to")
    families = after.families()
    for name, kind in (
        ("cloakroom_store", ("info", "")),
        ("cloakroom_payload_bytes", ("gauge", "bytes")),
        ("cloakroom_capacity_bytes", ("gauge", "bytes")),
        ("cloakroom_evictions", ("counter", "")),
        ("cloakroom_lock_wait_seconds", ("histogram", "seconds")),
    ):
        expect(families.get(name) == kind, f"{name} is told as {families.get(name)}")
    expect(after.value("cloakroom_capacity_bytes") == 1 << 30, "the capacity is another than cloakroom.size")


@case("numbers: a wait for a lock is in the histogram, whose buckets are cumulative")
def waits_are_in_the_histogram(site):
    browser = site.client()
    browser.get("/t/counter.php")
    before = exposition(site)
    holding, holder = site.hold(browser.same_visitor(), "numbers", count=1)
    waiting = InBackground(browser.get, "/t/counter.php")
    site.wait_for_waiters(1, besides=[holder])
    during = exposition(site)
    expect(during.value("cloakroom_waiting_requests") == 1, "no request is told to wait")
    expect(during.value("cloakroom_locked_sessions") == 1, "no session is told to be locked")
    site.release("numbers")
    holding.result(10)
    waited = waiting.result(10).json()["waited"]
    after = exposition(site)
    expect(after.value("cloakroom_waiting_requests") == 0, "a request is told to wait after all were answered")

    name = "cloakroom_lock_wait_seconds"
    expect(after.value(f"{name}_count") - before.value(f"{name}_count") == 1, "not one wait more")
    told = after.value(f"{name}_sum") - before.value(f"{name}_sum")
    expect(0 < told <= waited, f"{told} s are told, {waited} s were waited")
    buckets = after.buckets(name)
    expect([bound for bound, _ in buckets][-1] == "+Inf", f"the buckets are {buckets}")
    counts = [count for _, count in buckets]
    expect(counts == sorted(counts) and counts[-1] == after.value(f"{name}_count"), f"the buckets are {buckets}")
    for (bound, count), (_, earlier) in zip(buckets, before.buckets(name)):
        expected = 1 if told < float(bound) else 0
        expect(count - earlier == expected, f"the wait of {told} s adds {count - earlier} to the bucket {bound}")
