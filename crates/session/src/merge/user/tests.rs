use super::super::{Merged, merge, merge_with_user, scan};
use super::*;

fn path(value: &str) -> UserPath {
    UserPath::parse(value.as_bytes()).expect("is valid")
}

/// The user of a payload: the id, "" for nobody, "?" where it cannot be told.
fn user_of(format: Format, payload: &str, value: &str) -> String {
    let document = scan::scan(format, payload.as_bytes()).expect("is a payload");
    match user(format, &document, &path(value)) {
        User::Nobody => String::new(),
        User::Known(id) => String::from_utf8_lossy(id).into_owned(),
        User::Untold => "?".to_owned(),
    }
}

#[test]
fn the_user_is_found_in_every_format() {
    for (format, payload) in [
        (Format::Php, "x|i:1;auth|a:1:{s:2:\"id\";i:7;}"),
        (Format::PhpSerialize, "a:2:{s:1:\"x\";i:1;s:4:\"auth\";a:1:{s:2:\"id\";i:7;}}"),
        (Format::PhpBinary, "\x01xi:1;\x04autha:1:{s:2:\"id\";i:7;}"),
    ] {
        assert_eq!(user_of(format, payload, "auth.id"), "7");
        assert_eq!(user_of(format, payload, "nobody, auth.*"), "7");
        assert_eq!(user_of(format, payload, "auth.name, x.id, x.*.y"), "");
        assert_eq!(user_of(format, payload, "au*"), "?", "an array is no id");
        assert_eq!(user_of(format, "", "auth.id"), "");
    }
    assert_eq!(user_of(Format::PhpSerialize, "a:1:{i:5;a:1:{i:-6;s:1:\"u\";}}", "5.-6"), "u");
}

#[test]
fn what_is_nobody_and_who_is_somebody() {
    for (value, expected) in [
        ("N;", ""),
        ("b:0;", ""),
        ("s:0:\"\";", ""),
        ("i:0;", "0"),
        ("i:5;", "5"),
        ("s:1:\"5\";", "5"),
        ("i:-9223372036854775808;", "-9223372036854775808"),
        ("s:3:\"a.b\";", "a.b"),
        ("b:1;", "?"),
        ("d:5;", "?"),
        ("i:05;", "?"),
        ("i:99999999999999999999;", "?"),
        ("a:0:{}", "?"),
        ("O:1:\"U\":1:{s:2:\"id\";i:5;}", "?"),
        ("E:5:\"U:One\";", "?"),
    ] {
        assert_eq!(user_of(Format::Php, &format!("u|{value}"), "u"), expected, "{value}");
        // The next path is tried where there is nobody.
        let otherwise = if expected.is_empty() { "9" } else { expected };
        assert_eq!(user_of(Format::Php, &format!("u|{value}o|i:9;"), "u,o"), otherwise, "{value}");
    }
    let object = "u|O:1:\"U\":1:{s:2:\"id\";i:5;}";
    assert_eq!(user_of(Format::Php, object, "u.id"), "?", "objects are not gone into");
    assert_eq!(user_of(Format::Php, "u|s:1:\"x\";", "u.id"), "");
}

#[test]
fn the_first_match_of_a_star_counts() {
    let payload = "login_web_b|N;login_web_c|i:3;login_web_a|i:1;";
    assert_eq!(user_of(Format::Php, payload, "login_web_*"), "3");
    let nested = "g_a|a:1:{s:1:\"x\";i:1;}g_b|a:1:{s:2:\"id\";i:2;}";
    assert_eq!(user_of(Format::Php, nested, "g_*.id"), "2");
}

#[test]
fn references_are_followed_to_scalars_only() {
    assert_eq!(user_of(Format::Php, "a|a:1:{s:2:\"id\";i:7;}u|R:2;", "u"), "7");
    assert_eq!(user_of(Format::Php, "a|a:1:{s:2:\"id\";i:7;}u|R:1;", "u"), "?");
    assert_eq!(user_of(Format::Php, "a|a:1:{s:2:\"id\";i:7;}u|R:1;", "u.id"), "?");
    assert_eq!(user_of(Format::Php, "a|O:1:\"A\":1:{s:2:\"id\";i:7;}u|R:2;", "u"), "?");
    assert_eq!(user_of(Format::Php, "a|O:1:\"A\":0:{}u|r:1;", "u"), "?");
    // An array in itself, which is not gone round in.
    assert_eq!(user_of(Format::Php, "a|a:2:{i:0;R:1;i:1;i:7;}", "a.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*"), "?");
}

/// What is made of three payloads in the format `php`, and how many conflicts are counted.
fn merged(value: &str, base: &str, mine: &str, theirs: &str) -> (String, u32) {
    match merge_with_user(Format::Php, &path(value), base.as_bytes(), mine.as_bytes(), theirs.as_bytes()) {
        Merged::Merged { payload, conflicts } => (String::from_utf8(payload).expect("is text"), conflicts),
        Merged::Fallback(reason) => (format!("{reason:?}"), 0),
    }
}

#[test]
fn what_two_users_have_is_not_mixed() {
    let one = "id|i:1;admin|b:1;";
    for (base, mine, theirs, expected) in [
        // Two log-ins.
        ("", "id|i:2;", one, ("id|i:2;", 1)),
        ("", one, "id|i:2;", (one, 1)),
        ("id|N;", "id|i:2;", "id|i:1;admin|b:1;", ("id|i:2;", 1)),
        // A log-out beside the log-in of another.
        ("id|i:5;", "", one, ("", 1)),
        ("id|i:5;", one, "x|i:1;", (one, 1)),
        // The same user twice, by an integer and by a string.
        ("", "id|i:1;mine|i:1;", one, ("id|i:1;admin|b:1;mine|i:1;", 0)),
        // Only one of them changes the user.
        ("id|i:1;", "id|i:1;mine|i:1;", "id|i:2;admin|b:1;", ("id|i:2;admin|b:1;mine|i:1;", 0)),
        ("id|i:1;", "id|i:2;admin|b:1;", "id|i:1;theirs|i:1;", ("id|i:2;theirs|i:1;admin|b:1;", 0)),
        // Both log out.
        ("id|i:1;", "mine|i:1;", "id|N;theirs|i:1;", ("theirs|i:1;mine|i:1;", 1)),
    ] {
        assert_eq!(merged("id", base, mine, theirs), (expected.0.to_owned(), expected.1), "{base} {mine} {theirs}");
    }
    // Without a path they are variables like any others.
    let Merged::Merged { payload, .. } = merge(Format::Php, b"", b"id|i:2;", one.as_bytes()) else { panic!("merges") };
    assert_eq!(payload, b"id|i:2;admin|b:1;");
}

#[test]
fn a_value_that_only_looks_touched_does_not_take_the_users_place() {
    // Mine has written the same user in another way, and nobody in another way; theirs is somebody else.
    let theirs = "id|i:7;admin|b:1;";
    for (base, mine) in [("id|i:5;", "id|s:1:\"5\";"), ("", "id|N;"), ("id|N;", "id|b:0;"), ("id|N;", "")] {
        assert_eq!(merged("id", base, mine, theirs), (mine.to_owned(), 1), "{base} {mine}");
    }
}

#[test]
fn where_it_cannot_be_told_both_must_not_have_changed_it() {
    let object = |id: u8| format!("u|O:1:\"U\":1:{{s:2:\"id\";i:{id};}}");
    let (base, mine) = (object(5), object(2));
    let theirs = object(1) + "admin|b:1;";
    assert_eq!(merged("u", &base, &mine, &theirs), (mine.clone(), 1));
    assert_eq!(merged("u.id", &base, &mine, &theirs), (mine.clone(), 1));
    let same = object(2) + "admin|b:1;";
    assert_eq!(merged("u", &base, &(mine.clone() + "x|i:1;"), &same), (same.clone() + "x|i:1;", 0));
    assert_eq!(merged("u", &base, &(base.clone() + "x|i:1;"), &same), (same + "x|i:1;", 0));
    // What a reference means is not in its bytes.
    let bound = |id: u8, more: &str| format!("a|O:1:\"A\":1:{{s:2:\"id\";i:{id};}}u|R:2;{more}");
    let mine = bound(2, "");
    assert_eq!(merged("u", &bound(5, ""), &mine, &bound(1, "admin|b:1;")), (mine, 1));
}
