#!/usr/bin/env python3
"""Prints name, version, licence and licence texts of the crates that are linked into the extension and the command.

    packaging/third-party-licences.py

Crates that only run while building (procedural macros, build scripts) are left out: nothing of them is delivered. The
crates must have been downloaded, as any build does.
"""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


def cargo(*arguments):
    return subprocess.run(
        ["cargo", *arguments, "--locked", "--offline"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def linked():
    """The crates, as name and version, ours not among them."""
    target = next(
        line.split()[1] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if "host:" in line
    )
    lines = cargo(
        "tree", "--workspace", "--edges=normal,no-proc-macro", "--prefix=none", f"--target={target}", "--format={p}"
    )
    found = (line.split() for line in lines.splitlines() if line and "(/" not in line)
    return sorted({(words[0], words[1].removeprefix("v")) for words in found})


def texts_of(manifest):
    """The licence files beside a crate's manifest."""
    names = ("licen", "copying", "notice", "copyright", "unlicense")
    return sorted(
        path for path in pathlib.Path(manifest).parent.iterdir() if path.is_file() and path.name.lower().startswith(names)
    )


def main():
    packages = {(p["name"], p["version"]): p for p in json.loads(cargo("metadata", "--format-version=1"))["packages"]}
    print("Cloakroom's binaries contain these crates.")
    # Many crates come with the same text: each is printed once, under the names of all that have it.
    users = {}
    for crate in linked():
        package = packages[crate]
        print(f"\n{crate[0]} {crate[1]}: {package['license'] or 'see below'}")
        for author in package["authors"]:
            print(f"    {author}")
        for path in texts_of(package["manifest_path"]):
            text = "\n".join(line.rstrip() for line in path.read_text(errors="replace").strip().splitlines())
            users.setdefault(text, []).append(f"{crate[0]} {crate[1]} ({path.name})")
    for text, named in users.items():
        print("\n" + "=" * 78 + "\n" + "\n".join(named) + "\n" + "-" * 78 + "\n" + text)


if __name__ == "__main__":
    main()
