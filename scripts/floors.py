#!/usr/bin/env python3
"""Checks the house's floors: no crate and no module needs one that stands above it.

    scripts/floors.py [ROOT]             checks, and says each stair that leads up
    scripts/floors.py --circles [ROOT]   prints all circles of imports, those inside of folders too

The order is written where a reader looks for it. In the workspace's Cargo.toml a comment has that of the crates, by
their directories; in a crate's lib.rs or main.rs a line of the documentation has that of its modules:

    //! Floors: file < core < shard, index < attach

Each module of the crate, a file or a folder beside lib.rs, is named on one floor. It imports (by `crate::` or `super::`,
re-exports of lib.rs included) nothing from a module above it nor from one that is named beside it, after a comma; tests
inside of modules stand above all floors. A method that stands above the type it extends is not called from below. A crate
without floors has no circle of imports between its modules, but those that `//! Circles: a, b; c, d` admits.
"""

import re
import sys
import tomllib
from pathlib import Path

# The base of the house depends on no other crate than these.
BASE, BASE_NEEDS = "seam", {"thiserror"}

# Methods that the standard library's types have as well: of these only calls by the type's name are judged.
EVERYWHERE = set("clear collect contains drain extend fill filter find first get insert is_empty iter last len load lock map "
                 "next pop position push read remove replace store swap take wait write".split())

NOT_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | \bb?r(?P<h>\#*)".*?"(?P=h) | \bb?"(?:\\.|[^"\\])*" | "(?:\\.|[^"\\])*"
        | '(?:\\[^\n']+|[^'\\\n])'""", re.S | re.X)
TEST_ONLY = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*")
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(r"(?<![\w:])(?:crate|super|self)(?:\s*::\s*(?:r#)?\w+)+")
IMPL = re.compile(r"\bimpl\b(?P<of>[^{;]*)\{")
FN = re.compile(r"\bfn\s+(\w+)")
TYPE = re.compile(r"\b(?:struct|enum|union|type)\s+(\w+)")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def end_of_block(text, opening):
    """The position after the brace that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return len(text)


def paths_of(tree, before=()):
    """The paths that a use tree names, each with the name that it gets here."""
    tree = tree.strip()
    if not tree:
        return []
    head, brace, rest = tree.partition("{")
    if not brace:
        path, _, name = re.sub(r"\s+", " ", tree).partition(" as ")
        path = before + tuple(part.strip().removeprefix("r#") for part in path.split("::") if part.strip())
        if path and path[-1] == "self":
            path = path[:-1]
        return [(path, name or path[-1])] if path else []
    before += tuple(part.strip() for part in head.split("::") if part.strip())
    found, depth, start = [], 0, 0
    rest = rest.rpartition("}")[0]
    for at, char in enumerate(rest + ","):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            found += paths_of(rest[start:at], before)
            start = at + 1
    return found


class File:
    """One source file: its module, and what it says without comments, strings and tests."""

    def __init__(self, path, source):
        self.path = path
        parts = path.relative_to(source).with_suffix("").parts
        self.module = () if parts in (("lib",), ("main",)) else tuple(p for p in parts if p != "mod")
        self.raw = path.read_text()
        text, self.test_modules = NOT_CODE.sub(blank, self.raw), set()
        while test := TEST_ONLY.search(text):
            rest = text[test.end():]
            statement = re.match(r"(?:pub(?:\([^)]*\))?\s+)?(?:use\b[^;]*;|mod\s+(\w+)\s*;|[^{;]*;)", rest)
            if statement:
                end = test.end() + statement.end()
                if statement[1]:
                    self.test_modules.add(self.module + (statement[1],))
            else:
                end = end_of_block(text, text.index("{", test.end()))
            text = text[:test.start()] + re.sub(r"[^\n]", " ", text[test.start():end]) + text[end:]
        self.text = text
        self.uses = []
        for use in USE.finditer(text):
            self.uses += [(use.start(), path, name) for path, name in paths_of(use[1])]
        self.inner = [(m.start(), end_of_block(text, m.end() - 1), m[1]) for m in re.finditer(r"\bmod\s+(\w+)\s*\{", text)]

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def references(self):
        """Every path from `crate`, `super` or `self`, as (position, path from the crate's root)."""
        found = [(at, path) for at, path, _ in self.uses]
        found += [(m.start(), tuple(p.strip().removeprefix("r#") for p in m[0].split("::")))
                  for m in PATH.finditer(USE.sub(blank, self.text))]
        for at, path in found:
            here = self.module + tuple(name for start, end, name in self.inner if start < at < end)
            if path[0] == "crate":
                yield at, path[1:]
            elif path[0] in ("self", "super"):
                while path and path[0] in ("self", "super"):
                    here, path = (here[:-1] if path[0] == "super" else here), path[1:]
                yield at, here + path

    def inherent(self):
        """The inherent implementations, as (position, name of the type, names of its functions)."""
        for block in IMPL.finditer(self.text):
            of = block["of"]
            depth, plain = 0, ""
            for char in of.replace("->", "  "):
                depth += {"<": 1, ">": -1}.get(char, 0)
                plain += char if depth == 0 and char not in "<>" else ""
            if re.search(r"\bfor\b", plain) or not (name := re.match(r"\s*(?:\w+\s*::\s*)*(\w+)", plain)):
                continue
            body = self.text[block.end():end_of_block(self.text, block.end() - 1) - 1]
            while inner := re.search(r"\{[^{}]*\}", body):
                body = body[:inner.start()] + body[inner.end():]
            yield block.start(), name[1], FN.findall(body)


class Crate:
    """A crate's files and its imports between modules."""

    def __init__(self, manifest):
        self.source = manifest.parent / "src"
        files = [File(path, self.source) for path in sorted(self.source.rglob("*.rs"))]
        tests = set().union(*(file.test_modules for file in files))
        self.files = [f for f in files if not any(f.module[:n] in tests for n in range(1, len(f.module) + 1))]
        self.root = next(file for file in self.files if file.module == ())
        self.modules = {f.module[:n]: None for f in self.files for n in range(1, len(f.module) + 1)}
        self.top = {module[0] for module in self.modules}
        self.by_module = {file.module: file for file in self.files}
        self.macros = {name: f.module for f in self.files for name in re.findall(r"macro_rules!\s*(\w+)", f.text)}

    def said(self, word):
        """What the documentation of the crate says after `word`, over as many lines as it takes."""
        found = re.search(rf"^//! {word}: (.*(?:\n//! +\S.*)*)", self.root.raw, re.M)
        return found and re.sub(r"\s*\n//!\s*", " ", found[1]).replace("`", "").rstrip(".")

    def target(self, path, depth=0):
        """The module in which `path` ends, re-exports followed; None where that is outside of the crate."""
        known = max((n for n in range(len(path) + 1) if n == 0 or path[:n] in self.modules), default=0)
        module, rest = path[:known], path[known:]
        if rest and module in self.by_module and depth < 8:
            for _, used, name in self.by_module[module].uses:
                if name == rest[0]:
                    if used[0] in ("crate", "self", "super"):
                        used = used[1:] if used[0] != "self" else module + used[1:]
                    elif module + used[:1] in self.modules:
                        used = module + used
                    else:
                        return None
                    return self.target(used, depth + 1)
            if rest[0] in self.macros:
                return self.macros[rest[0]]
        return module

    def imports(self):
        """Every import of one module from another of this crate, as (file, position, module, path)."""
        for file in self.files:
            for at, path in file.references():
                target = self.target(path)
                if target is not None and target[:len(file.module)] != file.module:
                    yield file, at, target, path

    def circles(self, within=()):
        """The circles of imports between the modules directly inside of `within`."""
        depth, edges = len(within), {}
        for file, _, target, _ in self.imports():
            if file.module[:depth] == target[:depth] == within and len(file.module) > depth < len(target):
                edges.setdefault(file.module[depth], set()).add(target[depth])
        reach = {name: set(to) for name, to in edges.items()}
        for middle in reach:
            for name, to in reach.items():
                if middle in to:
                    to |= reach[middle]
        return sorted({tuple(sorted(b for b in to if name in reach.get(b, ()))) for name, to in reach.items()
                       if name in to and any(b != name for b in to if name in reach.get(b, ()))})


def floors_in(text):
    """The number of the floor of each name."""
    return {name.strip(): number for number, floor in enumerate(text.split("<")) for name in floor.split(",")}


def check_names(floors, there, where, what):
    for name in sorted(there - floors.keys()):
        yield f"{where}: {what} {name} is on no floor; name it in the line \"Floors:\""
    for name in sorted(floors.keys() - there):
        yield f"{where}: the line \"Floors:\" names {name}, and there is no such {what}"


def check_modules(crate, floors):
    yield from check_names(floors, crate.top, crate.root.path, "module")
    for file, at, target, path in crate.imports():
        if not file.module:
            continue
        own, where = file.module[0], f"{file.path}:{file.line(at)}"
        if not target:
            yield f"{where}: {own} imports {'::'.join(path)} from the crate's root, which stands above all floors"
        elif target[0] == own or own not in floors or target[0] not in floors:
            continue
        elif floors[target[0]] > floors[own]:
            yield f"{where}: {own} imports {'::'.join(path)}, and {target[0]} stands above {own}"
        elif floors[target[0]] == floors[own]:
            yield f"{where}: {own} imports {'::'.join(path)}, and {target[0]} stands beside {own}"


def check_methods(crate, floors):
    files = [file for file in crate.files if file.module and file.module[0] in floors]
    floor_of = {file: floors[file.module[0]] for file in files}
    types, defined = {}, {}
    for file in files:
        for name in TYPE.findall(file.text):
            types.setdefault(name, set()).add(file.module[0])
        for name in FN.findall(file.text):
            defined.setdefault(name, set()).add(floor_of[file])
    for file in files:
        for _, name, methods in file.inherent():
            homes = types.get(name, set())
            if not homes or file.module[0] in homes or all(floors[home] >= floor_of[file] for home in homes):
                continue
            for method in methods:
                for caller in files:
                    if floor_of[caller] >= floor_of[file] or min(defined[method]) <= floor_of[caller]:
                        continue
                    before = rf"\b{name}\s*::\s*" if method in EVERYWHERE else rf"(?:\.|\b{name}\s*::\s*)"
                    for call in re.finditer(rf"{before}{method}\s*(?:\(|::\s*<)", caller.text):
                        yield (f"{caller.path}:{caller.line(call.start())}: {caller.module[0]} calls {name}::{method}, which "
                               f"{file.module[0]} gives to {name}, and {file.module[0]} stands above {caller.module[0]}")


def check_circles(crate):
    declared = {tuple(sorted(name.strip() for name in circle.split(",")))
                for circle in (crate.said("Circles") or "").split(";") if circle.strip()}
    found = set(crate.circles())
    for circle in sorted(found - declared):
        yield f"{crate.root.path}: these modules import from each other: {', '.join(circle)}"
    for circle in sorted(declared - found):
        yield f"{crate.root.path}: the line \"Circles:\" admits {', '.join(circle)}, and there is no such circle any more"


def check_crates(root, crates):
    """The order of the crates, as the workspace's manifest says it."""
    manifest = root / "Cargo.toml"
    order = re.search(r"^# Floors: (.*)$", manifest.read_text(), re.M)
    if not order:
        yield f"{manifest}: no line \"# Floors:\" says the order of the crates"
        return
    floors = floors_in(order[1])
    yield from check_names(floors, set(crates), manifest, "crate")
    listed = {name: tomllib.loads(path.read_text()) for name, path in crates.items()}
    by_package = {listed[name]["package"]["name"]: name for name in crates}
    for name, content in listed.items():
        kinds = ("dependencies", "dev-dependencies", "build-dependencies")
        tables = [content, *content.get("target", {}).values()]
        needed = {dependency for table in tables for kind in kinds for dependency in table.get(kind, {})}
        for dependency in sorted(needed):
            other = by_package.get(dependency)
            if other != name and {name, other} <= floors.keys() and floors[other] >= floors[name]:
                yield f"{crates[name]}: {name} depends on {other}, which does not stand below it"
        if name == BASE:
            for dependency in sorted(set(content.get("dependencies", {})) - BASE_NEEDS):
                yield f"{crates[name]}: {name} depends on {dependency}; it depends on nothing but {', '.join(BASE_NEEDS)}"


def main():
    arguments = sys.argv[1:]
    print_circles = "--circles" in arguments
    root = Path(next((a for a in arguments if a != "--circles"), Path(__file__).parent.parent))
    crates = {"src": root / "Cargo.toml"} | {path.parent.name: path for path in sorted(root.glob("crates/*/Cargo.toml"))}
    wrong = list(check_crates(root, crates))
    for name, manifest in crates.items():
        crate = Crate(manifest)
        if print_circles:
            for within in sorted({module[:-1] for module in crate.modules}):
                for circle in crate.circles(within):
                    print(f"{'::'.join((name, *within))}: {', '.join(circle)}")
            continue
        floors = crate.said("Floors")
        if floors:
            wrong += check_modules(crate, floors_in(floors))
            wrong += check_methods(crate, floors_in(floors))
        else:
            wrong += check_circles(crate)
    if not print_circles:
        print(*wrong, f"{len(crates)} crates, {len(wrong)} stairs that lead up", sep="\n")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
