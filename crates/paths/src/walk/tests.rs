//! Links of root, of a user and of neighbours, where the tests run as root; else the links of the user who runs them.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, lchown, symlink};

use super::*;

const NEIGHBOUR: u32 = 4711;

fn inode(directory: &OwnedFd) -> u64 {
    fstat(directory).expect("looked at").st_ino
}

fn inode_at(path: &Path) -> u64 {
    path.metadata().expect("looked at").ino()
}

/// A directory of the user's alone with a directory `target` in it.
fn stage() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("target/below")).expect("made");
    dir
}

/// Where the path leads: to `Ok`, or to the owner of a link.
fn leads(path: &Path, links: Links) -> Result<u64, u32> {
    match (directory(path, links), end(&path.join("new"), links)) {
        (Ok(found), Ok(end)) => {
            assert_eq!((inode(&end.directory), end.name.as_os_str()), (inode(&found), OsStr::new("new")));
            Ok(inode(&found))
        }
        (Err(Refused::Link { owner, .. }), Err(Refused::Link { .. })) => Err(owner),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_leads_where_the_kernel_leads() {
    let dir = stage();
    let base = dir.path().canonicalize().expect("there");
    let paths = ["target", "target/", "target/below/..", "./target/./below", "target//below/../../target", "."];
    symlink("target", base.join("short")).expect("linked");
    symlink(base.join("target/below"), base.join("whole")).expect("linked");
    symlink("../short/below", base.join("target/up")).expect("linked");
    symlink("short/..", base.join("back")).expect("linked");
    let linked = ["short", "short/below", "whole", "whole/..", "target/up", "back", "back/back/short", "whole/../up"];
    for path in paths.into_iter().chain(linked).map(|path| base.join(path)) {
        assert_eq!(leads(&path, Links::of_process()), Ok(inode_at(&path)), "{}", path.display());
    }
    let relative = Path::new("src/../src/./walk");
    assert_eq!(leads(relative, Links::of_process()), Ok(inode_at(relative)));
    assert_eq!(leads(Path::new("/"), Links::of_process()), Ok(inode_at(Path::new("/"))));
    assert_eq!(leads(Path::new("/proc/self/cwd/src"), Links::of_process()), Ok(inode_at(Path::new("src"))));
}

#[test]
fn what_is_no_directory_or_has_no_end_is_an_error() {
    let dir = stage();
    std::fs::write(dir.path().join("file"), "").expect("written");
    symlink("round", dir.path().join("round")).expect("linked");
    symlink("nowhere", dir.path().join("dead")).expect("linked");
    for (name, error) in
        [("file", Errno::NOTDIR), ("round", Errno::LOOP), ("dead", Errno::NOENT), ("missing", Errno::NOENT)]
    {
        let found = directory(&dir.path().join(name), Links::of_process()).expect_err(name);
        assert_eq!(found.errno(), Some(error), "{name}: {found}");
    }
    let found = end(&dir.path().join("file/x"), Links::of_process()).expect_err("no directory");
    assert_eq!(found.errno(), Some(Errno::NOTDIR));
}

#[test]
fn a_neighbours_link_is_followed_nowhere() {
    if !geteuid().is_root() {
        // Only root can give a link away.
        return;
    }
    let dir = stage();
    for (name, target) in [("short", "target".into()), ("whole", dir.path().join("target"))] {
        let link = dir.path().join(name);
        symlink::<&Path, &Path>(Path::new(&target), &link).expect("linked");
        let target = inode_at(&dir.path().join("target"));
        let mine = Links::OfRootAnd(NEIGHBOUR + 1);
        assert_eq!((leads(&link, Links::OfRoot), leads(&link, mine)), (Ok(target), Ok(target)), "{name}: root's");
        lchown(&link, Some(NEIGHBOUR), None).expect("given away");
        assert_eq!(leads(&link, Links::OfRoot), Err(NEIGHBOUR), "{name}");
        assert_eq!(leads(&link, Links::Any), Ok(target), "{name}: as the kernel does");
        assert_eq!(leads(&link, mine), Err(NEIGHBOUR), "{name}");
        assert_eq!(leads(&link, Links::OfRootAnd(NEIGHBOUR)), Ok(target), "{name}: one's own");
        assert!(directory(&link.join("below"), Links::OfRoot).is_err(), "{name} on the way");
        let error = end(&link, Links::OfRoot).expect_err("at the end");
        assert!(error.to_string().contains("symbolic link that user 4711"), "{error}");
    }
}

#[test]
fn a_link_of_root_counts_for_root_only_where_nobody_else_could_have_put_it() {
    if !geteuid().is_root() {
        return;
    }
    let dir = stage();
    let link = dir.path().join("short");
    symlink("target", &link).expect("linked");
    let allow = |mode| std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).expect("allowed");
    let target = inode_at(&dir.path().join("target"));
    for (mode, group, counts) in [
        (0o755, 0, true),
        (0o775, 0, true),
        (0o775, 7, false),
        (0o757, 0, false),
        (0o1777, 0, false),
        (0o1733, 0, false),
    ] {
        std::os::unix::fs::chown(dir.path(), None, Some(group)).expect("given to a group");
        allow(mode);
        let expected = if counts { Ok(target) } else { Err(0) };
        assert_eq!(leads(&link, Links::OfRoot), expected, "{mode:o} {group}");
        assert_eq!(leads(&link, Links::OfRootAnd(NEIGHBOUR)), Ok(target), "{mode:o} {group}: the kernel's own rules");
    }
    allow(0o755);
    std::os::unix::fs::chown(dir.path(), Some(NEIGHBOUR), None).expect("given away");
    assert_eq!(leads(&link, Links::OfRoot), Err(NEIGHBOUR));
}

#[test]
fn what_only_root_can_exchange_is_told_from_the_rest() {
    if !geteuid().is_root() {
        return;
    }
    assert!(is_of_root(Path::new("/etc/passwd")).is_ok());
    assert!(is_of_root(Path::new("/etc")).is_ok());
    let dir = stage();
    let target = dir.path().join("target");
    assert!(is_of_root(&target).is_ok(), "what is root's in a sticky directory stays there");
    let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("allowed");
    let exchangeable = |path: &Path| matches!(is_of_root(path), Err(Refused::Exchangeable { .. }));
    allow(&target, 0o1777);
    assert!(exchangeable(&target), "names can be added there");
    assert!(is_of_root(&target.join("below")).is_ok());
    allow(&target, 0o777);
    assert!(exchangeable(&target.join("below")));
    allow(&target, 0o755);
    std::fs::write(target.join("file"), "").expect("written");
    assert!(is_of_root(&target.join("file")).is_ok());
    allow(&target.join("file"), 0o666);
    assert!(exchangeable(&target.join("file")));
    std::os::unix::fs::chown(dir.path(), Some(NEIGHBOUR), None).expect("given away");
    assert!(exchangeable(&target.join("below")));
    symlink(&target, dir.path().join("short")).expect("linked");
    assert!(matches!(is_of_root(&dir.path().join("short/below")), Err(Refused::Exchangeable { .. })));
}
