//! Root in charge, and whom a user is led by. Only root can play other users: for anybody else there is nothing to try here.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::Foreign;
use crate::files::Filled;

const HOUR: Duration = Duration::from_secs(3600);
const NO_WAIT: Duration = Duration::ZERO;

fn at(directory: &Path, user: Option<u32>) -> Files {
    let path = directory.to_str().expect("a plain path");
    Files::parse(path.as_bytes(), user).expect("an absolute path")
}

/// A directory of the user 4711 with files of that user, of root and of a neighbour, for root alone to make.
fn shared() -> Option<tempfile::TempDir> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory");
    for (id, user) in [("his", 4711), ("roots", 0), ("others", 4712)] {
        let path = dir.path().join(format!("sess_{id}"));
        std::fs::write(&path, b"n|i:1;").expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("closed");
        chown(&path, Some(user), None).expect("given away");
    }
    chown(dir.path(), Some(4711), None).expect("given away");
    Some(dir)
}

fn in_charge(directory: &Path) -> Result<Files, Error> {
    at(directory, Some(4711)).in_charge()
}

#[test]
fn root_in_charge_works_with_the_users_rights() {
    let Some(dir) = shared() else { return };
    let files = in_charge(dir.path()).expect("the user's directory");
    let his = files.hold(b"his", NO_WAIT, HOUR).expect("read").expect("there");
    assert_eq!(his.payload(), b"n|i:1;");
    // Nobody but root may read it.
    assert!(matches!(files.hold(b"roots", NO_WAIT, HOUR), Err(Error::Unusable { .. })));
    let others = files.hold(b"others", NO_WAIT, HOUR).map(drop);
    assert!(matches!(others, Err(Error::Foreign { found: Foreign::OtherUser(4712), .. })), "{others:?}");
    files.migrate_out(b"new").expect("made");
    let made = dir.path().join("sess_new").metadata().expect("made").uid();
    assert_eq!(made, 4711);
    assert_eq!(files.fill(b"new", b"x", SystemTime::now(), NO_WAIT).expect("filled"), Filled::Written);
    assert!(files.destroy(b"new").expect("removed"));
    // In a directory that the user may not write to, root makes nothing either.
    chown(dir.path(), Some(0), None).expect("taken back");
    assert!(matches!(files.migrate_out(b"new"), Err(Error::Unavailable { .. })));
    assert!(!dir.path().join("sess_new").exists());
    assert!(rustix::process::geteuid().is_root(), "the rights were given back");
}

#[test]
fn root_in_charge_stays_in_the_directory_that_it_opened() {
    let Some(dir) = shared() else { return };
    let (place, moved) = (dir.path().join("place"), dir.path().join("moved"));
    std::fs::create_dir(&place).expect("made");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("closed to others");
    chown(&place, Some(4711), None).expect("given away");
    let files = in_charge(&place).expect("the user's directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(elsewhere.path(), PermissionsExt::from_mode(0o777)).expect("opened to all");
    std::fs::rename(&place, &moved).expect("renamed");
    symlink(elsewhere.path(), &place).expect("linked");
    files.migrate_out(b"new").expect("made");
    assert!(moved.join("sess_new").exists() && !elsewhere.path().join("sess_new").exists());
    // Who comes later is led elsewhere by nobody but root.
    assert!(in_charge(&place).is_err(), "the link lies in a user's directory");
}

#[test]
fn root_takes_charge_of_no_directory_that_is_a_neighbours() {
    let Some(dir) = shared() else { return };
    let owned = |user, group, mode| {
        chown(dir.path(), Some(user), Some(group)).expect("given away");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).expect("allowed");
        in_charge(dir.path()).map(drop).map_err(|error| error.to_string())
    };
    for (user, group, mode) in
        [(4711, 0, 0o700), (0, 0, 0o1777), (0, 0, 0o1733), (0, 0, 0o770), (0, 7, 0o1770), (0, 7, 0o750)]
    {
        owned(user, group, mode).expect("as a store's directory may be");
    }
    for (user, group, mode, words) in
        [(4712, 0, 0o700, "belongs to user 4712"), (0, 0, 0o777, "no sticky bit"), (0, 7, 0o770, "no sticky bit")]
    {
        let error = owned(user, group, mode).expect_err("somebody else's");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_user_is_led_elsewhere_by_no_neighbour() {
    let Some(dir) = shared() else { return };
    let link = dir.path().join("link");
    symlink(".", &link).expect("linked");
    let owned = |user| lchown(&link, Some(user), None).expect("given away");
    let look = || {
        let taken = cloakroom_paths::Rights::of(4711).take().expect("root may");
        let files = at(&link, None);
        let answers = (files.has(b"his", HOUR), files.migrate_out(b"new"), files.destroy(b"new"));
        drop(taken);
        answers
    };
    for user in [0, 4711] {
        owned(user);
        assert!(matches!(look(), (Ok(true), Ok(()), Ok(true))), "{user}: {:?}", look());
    }
    owned(4712);
    let (has, made, removed) = look();
    for answer in [has.map(drop), made, removed.map(drop)] {
        let error = answer.expect_err("a neighbour's link").to_string();
        assert!(error.contains("symbolic link that user 4712 made"), "{error}");
    }
    assert!(!dir.path().join("sess_new").exists());
}
