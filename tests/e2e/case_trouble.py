"""What goes wrong in operation: a clear warning, a request that goes on, and nothing lost."""

import os
import re
import shutil

from browser import InBackground
from checks import NotHere, case, expect, wait_for
from servers import WORKERS


def refused(site, where):
    """A request whose save_path is `where` gets warnings that name it, no session, and goes on."""
    answer = site.client().get("/t/elsewhere.php", where=where).json()
    expect(answer["started"] is False, "session_start() did not return false")
    expect(answer["went_on"], "the request did not go on")
    own = [text for text in answer["warnings"] if where in text]
    expect(own, f"no warning names the directory: {answer['warnings']}")
    return " ".join(own)


@case("trouble: a save_path that does not exist")
def missing(site):
    refused(site, "no-such-directory")
    expect(not (site.dir / "no-such-directory").exists(), "the directory was created")


@case("trouble: a save_path that cannot be written to")
def unwritable(site):
    directory = site.dir / "unwritable"
    directory.mkdir()
    directory.chmod(0o555)
    refused(site, "unwritable")
    expect(list(directory.iterdir()) == [], "something was written")


@case("trouble: a store file that is a symbolic link is not followed")
def symlink(site):
    target = site.dir / "target-of-the-link"
    target.write_text("untouched")
    directory = site.dir / "linked"
    directory.mkdir()
    site.client().get("/t/counter.php")
    name = site.store_file().name
    (directory / name).symlink_to(target)
    if os.geteuid() == 0:
        owner = site.store_file().stat()
        os.chown(directory, owner.st_uid, owner.st_gid)
        os.chown(target, owner.st_uid, owner.st_gid)
    refused(site, "linked")
    expect(target.read_text() == "untouched", "the file behind the link was changed")


@case("trouble: a store file of another user is refused and left as it is")
def foreign(site):
    if os.geteuid() != 0:
        raise NotHere("only root can make a file of another user")
    site.client().get("/t/counter.php")
    directory = site.dir / "foreign"
    shutil.copytree(site.store_file().parent, directory)
    owner = site.store_file().stat()
    os.chown(directory, owner.st_uid, owner.st_gid)
    store = directory / site.store_file().name
    os.chown(store, 0, 0)
    # Readable and writable for all, so that only the owner is a reason to refuse it.
    store.chmod(0o666)
    before = store.read_bytes()
    refused(site, "foreign")
    expect(store.read_bytes() == before, "the foreign store was changed")


@case("trouble: the store file is deleted while workers run: they meet again on a new one, with all sessions")
def deleted(site):
    before = site.client()
    for _ in range(3):
        before.get("/t/counter.php")

    def workers_used():
        requests = [InBackground(site.client().get, "/t/counter.php") for _ in range(16)]
        return {request.result(10).json()["pid"] for request in requests}

    seen = set()
    wait_for(lambda: len(seen.update(workers_used()) or seen) >= WORKERS, "every worker has the store open")

    logged = len(site.log())
    # Open until the end, so that the new file cannot get the inode of the old one.
    with site.store_file().open("rb") as old:
        site.store_file().unlink()

        def replaced():
            site.client().get("/t/counter.php")
            found = site.store_files()
            return len(found) == 1 and found[0].stat().st_ino != os.fstat(old.fileno()).st_ino

        wait_for(replaced, "a worker makes a new store")

    # One visitor's counter goes up in steps of one only when all workers use the same store.
    def together():
        browser = site.client()
        used = set()
        for number in range(1, 200):
            answer = browser.get("/t/counter.php").json()
            if not answer["started"] or answer["count"] != number:
                return False
            used.add(answer["pid"])
            if number >= 24 and used >= set(site.workers()):
                return True
            if number % 8 == 0:
                # Others keep some workers busy, so that the visitor meets all of them.
                for request in [InBackground(site.client().get, "/t/counter.php") for _ in range(WORKERS)]:
                    request.result(10)
        return False

    wait_for(together, "all workers use one store again", 15)
    count = before.get("/t/counter.php").json()["count"]
    expect(count == 4, f"a session from before counts {count} instead of 4")
    warned = re.search(r"Warning: .*store.*(deleted|removed|replaced|gone)", site.log()[logged:])
    expect(warned, "the log has no warning about the deleted store")
