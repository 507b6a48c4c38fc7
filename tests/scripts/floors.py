#!/usr/bin/env python3
"""Checks scripts/floors.py: on a small house that is in order it says nothing, and each stair that is then built into the
house is found, and nothing else.

    tests/scripts/floors.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

CHECK = Path(__file__).parents[2] / "scripts/floors.py"

HOUSE = {
    "Cargo.toml": '# Floors: seam < store, other < session < src\n\n[package]\nname = "house"\n'
    "[dependencies]\nhouse-session.workspace = true\n",
    "src/lib.rs": "//! The extension.\n",
    "crates/seam/Cargo.toml": '[package]\nname = "house-seam"\n[dependencies]\nthiserror.workspace = true\n',
    "crates/seam/src/lib.rs": "//! The seam.\n",
    "crates/other/Cargo.toml": '[package]\nname = "house-other"\n[dependencies]\nhouse-seam.workspace = true\n',
    "crates/other/src/lib.rs": "//! Another store.\n",
    "crates/session/Cargo.toml": '[package]\nname = "house-session"\n[dependencies]\n'
    "house-seam.workspace = true\nhouse-store.workspace = true\nhouse-other.workspace = true\n",
    "crates/session/src/lib.rs": "//! A crate without floors.\n//!\n//! Circles: here, there\n\nmod alone;\nmod here;\nmod there;\n",
    "crates/session/src/here.rs": "pub(crate) struct Here(crate::there::There);\n",
    "crates/session/src/there.rs": "use crate::here::Here;\npub(crate) struct There(Option<Box<Here>>);\n",
    "crates/session/src/alone.rs": "use crate::here::Here;\n",
    "crates/store/Cargo.toml": '[package]\nname = "house-store"\n[dependencies]\nhouse-seam.workspace = true\nlibc = "1"\n',
    "crates/store/src/lib.rs": "//! A crate with floors.\n//!\n//! Floors: low < middle, beside\n//! < high\n\n"
    "mod beside;\nmod high;\nmod low;\nmod middle;\n\npub use high::High;\npub use low::Low as Lowest;\n",
    "crates/store/src/low.rs": "//! Is used by [`crate::high`].\nmod inner;\npub struct Low<'a>(&'a u8);\n"
    "impl<'a> Low<'a> {\n    pub(crate) fn plain(&self) { /* crate::high::High */ self.inner().find(\"crate::high::High\") }\n}\n"
    "#[cfg(test)]\nmod tests {\n    use crate::high::High;\n    fn of(low: &super::Low<'_>) { low.lift() }\n}\n",
    "crates/store/src/low/inner.rs": "use super::super::low::Low;\nimpl Low<'_> {\n    pub(super) fn inner(&self) {}\n}\n",
    "crates/store/src/middle.rs": "use crate::Lowest;\nimpl Lowest<'_> {\n    fn middle(&self) { self.plain() }\n}\n",
    "crates/store/src/beside.rs": "use crate::low::{self, Low};\n",
    "crates/store/src/high.rs": "use crate::{\n    beside,\n    low::Low,\n};\npub struct High;\n"
    "impl<'a> Low<'a> {\n    pub(crate) fn lift(&self) -> Option<u8> { self.find() }\n    pub(crate) fn find(&self) {}\n}\n"
    "impl Clone for High {\n    fn clone(&self) -> Self { High.raise() }\n}\nimpl High {\n    fn raise(&self) {}\n}\n",
}

LOW, MIDDLE, INNER = "crates/store/src/low.rs", "crates/store/src/middle.rs", "crates/store/src/low/inner.rs"
STORE, SESSION = "crates/store/src/lib.rs", "crates/session/src/lib.rs"

# What is built into the house, as (file, text that is replaced or "" for the end, text), and what is then said.
STAIRS = {
    "an import from above": [(LOW, "", "use crate::high::High;\n"), "low imports high::High, and high stands above low"],
    "an import from above among others": [
        (MIDDLE, "", "use crate::{low::{self as l, Low}, high::{High as H}};\n"),
        "middle imports high::High, and high stands above middle"],
    "a path to above": [(LOW, "", "fn f() { crate::high::f() }\n"), "low imports high::f, and high stands above low"],
    "a path to above by way of super": [
        (INNER, "", "fn f() { super::super::high::f() }\n"), "low imports high::f, and high stands above low"],
    "a path to above out of a module in the file": [
        (LOW, "", "mod deep { fn f() { super::super::high::f() } }\n"), "low imports high::f, and high stands above low"],
    "an import from above in the name of the crate": [
        (LOW, "", "use crate::High;\n"), "low imports High, and high stands above low"],
    "an import from beside": [
        (MIDDLE, "", "use super::beside::Beside;\n"), "middle imports beside::Beside, and beside stands beside middle"],
    "an import from the root": [
        (LOW, "", "use crate::CONSTANT;\n"), "low imports CONSTANT from the crate's root"],
    "a method from above": [
        (MIDDLE, "", "fn f(low: Low) { low.lift() }\n"),
        "middle calls Low::lift, which high gives to Low, and high stands above middle"],
    "a method from above by the type's name": [
        (LOW, "", "fn f() { map(Low::find(&low)) }\n"),
        "low calls Low::find, which high gives to Low, and high stands above low"],
    "a module on no floor": [("crates/store/src/new.rs", "", "//! New.\n"), "module new is on no floor"],
    "a floor without a module": [(STORE, "< high", "< high < gone"), "names gone, and there is no such module"],
    "a circle": [
        ("crates/session/src/here.rs", "", "use crate::alone::A;\n"),
        "these modules import from each other: alone, here, there",
        "admits here, there, and there is no such circle any more"],
    "a circle that nobody admits": [
        (SESSION, "Circles", "Circle"), "these modules import from each other: here, there"],
    "a crate that depends on one above it": [
        ("crates/store/Cargo.toml", 'libc = "1"', "house-session.workspace = true"),
        "store depends on session, which does not stand below it"],
    "a crate whose tests depend on one beside it": [
        ("crates/store/Cargo.toml", "", "[dev-dependencies]\nhouse-other.workspace = true\n"),
        "store depends on other, which does not stand below it"],
    "a base with a dependency": [
        ("crates/seam/Cargo.toml", "", 'libc = "1"\n'), "seam depends on libc; it depends on nothing but thiserror"],
    "a crate on no floor": [("Cargo.toml", ", other", ""), "crate other is on no floor"],
    "no order of the crates": [("Cargo.toml", "# Floors", "# Order"), "no line \"# Floors:\" says the order of the crates"],
}


def said_of(house):
    """What the check says of a house, without its last line, and whether it lets the house pass."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in house.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        run = subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True)
        return run.stdout.splitlines()[:-1] + run.stderr.splitlines(), run.returncode == 0


passed = failed = 0


def verdict(name, holds, said):
    global passed, failed
    passed, failed = passed + holds, failed + (not holds)
    print("ok:" if holds else "FAILED:", name, *([] if holds else said), sep="\n    " if not holds else " ")


said, passes = said_of(HOUSE)
verdict("a house in order", passes and not said, said)
for name, ((file, old, new), *expected) in STAIRS.items():
    house = dict(HOUSE)
    before = house.get(file, "")
    house[file] = before.replace(old, new) if old else before + new
    said, passes = said_of(house)
    found = len(said) == len(expected) and all(any(text in line for line in said) for text in expected)
    verdict(name, found and not passes and house[file] != before, said)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
