//! What the merge keeps, written out as payloads.

use super::{Format, Merged, Reason, merge};

#[track_caller]
fn check_in(format: Format, base: &str, mine: &str, theirs: &str, merged: &str, conflicts: u32) {
    let payload = merged.as_bytes().to_vec();
    let found = merge(format, base.as_bytes(), mine.as_bytes(), theirs.as_bytes());
    if let Merged::Merged { payload, .. } = &found {
        assert_eq!(String::from_utf8_lossy(payload), merged);
    }
    assert_eq!(found, Merged::Merged { payload, conflicts });
}

#[track_caller]
fn check(base: &str, mine: &str, theirs: &str, merged: &str, conflicts: u32) {
    check_in(Format::Php, base, mine, theirs, merged, conflicts);
}

#[track_caller]
fn check_fallback(format: Format, base: &str, mine: &str, theirs: &str, reason: Reason) {
    assert_eq!(merge(format, base.as_bytes(), mine.as_bytes(), theirs.as_bytes()), Merged::Fallback(reason));
}

const OBJECT: &str = "O:1:\"A\":1:{s:1:\"x\";i:1;}";
const CHANGED_OBJECT: &str = "O:1:\"A\":1:{s:1:\"x\";i:2;}";

#[test]
fn both_add_a_variable() {
    check("", "a|i:1;", "b|i:2;", "b|i:2;a|i:1;", 0);
    check("z|N;", "z|N;a|i:1;", "z|N;b|i:2;", "z|N;b|i:2;a|i:1;", 0);
}

#[test]
fn a_key_changed_by_one_side_is_that_sides() {
    check("a|i:1;b|i:1;", "a|i:2;b|i:1;", "a|i:1;b|i:3;", "a|i:2;b|i:3;", 0);
    check("a|i:1;b|i:1;c|i:1;", "b|i:1;c|i:1;", "a|i:1;b|i:1;", "b|i:1;", 0);
}

#[test]
fn mine_wins_where_both_changed() {
    check("a|i:1;", "a|i:2;", "a|i:3;", "a|i:2;", 1);
    check("a|i:1;b|i:1;", "b|i:1;", "a|i:3;b|i:1;c|N;", "b|i:1;c|N;", 1);
    check("a|i:1;b|i:1;", "a|i:2;b|i:1;", "b|i:1;c|N;", "b|i:1;c|N;a|i:2;", 1);
    check("", "a|i:1;", "a|i:2;c|N;", "a|i:1;c|N;", 1);
}

#[test]
fn the_same_change_is_no_conflict() {
    check("a|i:1;", "a|i:2;b|N;", "a|i:2;c|N;", "a|i:2;c|N;b|N;", 0);
    check("a|i:1;z|N;", "z|N;b|N;", "z|N;c|N;", "z|N;c|N;b|N;", 0);
}

#[test]
fn arrays_are_merged_by_key() {
    let base = "a|a:2:{s:1:\"p\";i:1;s:1:\"q\";i:1;}";
    let mine = "a|a:2:{s:1:\"p\";i:2;s:1:\"q\";i:1;}";
    let theirs = "a|a:3:{s:1:\"p\";i:1;s:1:\"q\";i:3;i:0;i:4;}";
    check(base, mine, theirs, "a|a:3:{s:1:\"p\";i:2;s:1:\"q\";i:3;i:0;i:4;}", 0);
    check("", "a|a:1:{i:0;a:1:{i:5;N;}}", "a|a:1:{i:0;a:1:{i:6;N;}}", "a|a:1:{i:0;a:2:{i:6;N;i:5;N;}}", 0);
    check("a|N;", "a|a:1:{i:0;N;}", "a|a:0:{}", "a|a:1:{i:0;N;}", 0);
}

#[test]
fn two_appends_to_a_list_conflict() {
    check("a|a:0:{}", "a|a:1:{i:0;i:1;}", "a|a:1:{i:0;i:2;}", "a|a:1:{i:0;i:1;}", 1);
}

#[test]
fn an_array_against_something_else_is_kept_whole() {
    check("a|a:1:{i:0;i:1;}", "a|a:1:{i:0;i:2;}", "a|i:1;", "a|a:1:{i:0;i:2;}", 1);
    check("a|a:1:{i:0;i:1;}", "a|a:1:{i:0;i:2;}", "b|i:1;", "b|i:1;a|a:1:{i:0;i:2;}", 1);
}

#[test]
fn order_is_theirs_unless_only_one_side_touched_the_array() {
    let sorted = "l|a:2:{s:1:\"a\";N;s:1:\"b\";N;}";
    let turned = "l|a:2:{s:1:\"b\";N;s:1:\"a\";N;}";
    check(
        &format!("{turned}z|N;"),
        &format!("{sorted}z|N;"),
        &format!("{turned}z|i:1;"),
        &format!("{sorted}z|i:1;"),
        0,
    );
    check(turned, sorted, "l|a:1:{s:1:\"b\";N;}", "l|a:1:{s:1:\"b\";N;}", 0);
    check("a|N;b|N;", "b|N;a|N;", "a|N;b|i:1;", "a|N;b|i:1;", 0);
}

#[test]
fn an_object_is_a_leaf() {
    let base = format!("o|{OBJECT}");
    let theirs = base.replace("i:1", "i:7");
    check(&base, &format!("o|{CHANGED_OBJECT}"), &theirs, &format!("o|{CHANGED_OBJECT}"), 1);
    check(&base, &format!("{base}a|N;"), &theirs, &format!("{theirs}a|N;"), 0);
}

#[test]
fn one_array_or_length_bytes_around_the_variables() {
    check_in(Format::PhpSerialize, "", "a:1:{s:1:\"a\";N;}", "a:1:{i:7;N;}", "a:2:{i:7;N;s:1:\"a\";N;}", 0);
    check_in(Format::PhpSerialize, "a:1:{i:0;N;}", "", "a:2:{i:0;N;i:1;N;}", "a:1:{i:1;N;}", 0);
    check_in(Format::PhpBinary, "", "\u{1}aN;", "\u{0}N;", "\u{0}N;\u{1}aN;", 0);
}

#[test]
fn references_are_renumbered() {
    // Mine has x before the pair, theirs does not.
    let base = format!("a|{OBJECT}b|r:1;");
    let mine = format!("x|a:2:{{i:0;N;i:1;N;}}{base}").replace("r:1", "r:4");
    let theirs = format!("{base}c|i:1;");
    let merged = format!("{base}c|i:1;x|a:2:{{i:0;N;i:1;N;}}");
    check(&base, &mine, &theirs, &merged, 0);
    // And the other way round: the numbers in theirs change.
    let merged = format!("{mine}c|i:1;");
    check(&base, &theirs, &mine, &merged, 0);
    // A pair within what mine adds.
    let mine = format!("p|a:2:{{i:0;{OBJECT}i:1;r:2;}}");
    let merged = format!("q|a:2:{{i:0;{OBJECT}i:1;r:2;}}p|a:2:{{i:0;{OBJECT}i:1;r:6;}}");
    check("", &mine, &mine.replace("p|", "q|"), &merged, 0);
    // The array around the variables takes a slot, too.
    let mine = format!("a:1:{{i:0;a:2:{{i:0;{OBJECT}i:1;r:3;}}}}");
    let merged = format!("a:2:{{i:1;N;i:0;a:2:{{i:0;{OBJECT}i:1;r:4;}}}}");
    check_in(Format::PhpSerialize, "", &mine, "a:1:{i:1;N;}", &merged, 0);
}

#[test]
fn a_shared_object_changed_by_one_side_stays_shared() {
    let base = format!("a|{OBJECT}b|r:1;");
    let mine = format!("a|{CHANGED_OBJECT}b|r:1;");
    check(&base, &mine, &format!("{base}c|N;"), &format!("{mine}c|N;"), 0);
    check(&base, &format!("{base}c|N;"), &mine, &format!("{mine}c|N;"), 0);
    check("a|i:1;b|R:1;", "a|i:2;b|R:1;", "a|i:1;b|R:1;c|N;", "a|i:2;b|R:1;c|N;", 0);
}

#[test]
fn a_reference_to_what_is_equal_on_both_sides_is_kept() {
    let base = format!("a|{OBJECT}");
    check(&base, &format!("{base}b|r:1;"), &format!("x|i:1;{base}"), &format!("x|i:1;{base}b|r:2;"), 0);
}

#[test]
fn a_reference_across_the_sides_falls_back() {
    // Mine refers to the object that theirs has changed.
    let base = format!("a|{OBJECT}");
    let (mine, theirs) = (format!("{base}b|r:1;"), format!("a|{CHANGED_OBJECT}"));
    check_fallback(Format::Php, &base, &mine, &theirs, Reason::CrossingReference);
    // Theirs refers to the object that mine has changed.
    check_fallback(Format::Php, &base, &theirs, &mine, Reason::CrossingReference);
    // The whole session is bound.
    let bound = "a:1:{i:0;R:1;}";
    check_fallback(Format::PhpSerialize, bound, "a:0:{}", "a:1:{i:1;N;}", Reason::CrossingReference);
}

#[test]
fn a_bound_array_is_a_leaf() {
    let base = "a|a:1:{i:0;N;}b|R:1;";
    let (mine, theirs) = (base.replace("N;", "i:1;"), base.replace("i:0;N;", "i:5;N;"));
    check(base, &mine, &theirs, &mine, 2);
    check(base, &mine, &format!("{base}c|N;"), &format!("{mine}c|N;"), 0);
    // Without the reference the same arrays are merged.
    let plain = |payload: &str| payload.replace("b|R:1;", "");
    check(&plain(base), &plain(&mine), &plain(&theirs), "a|a:2:{i:5;N;i:0;i:1;}", 1);
}

#[test]
fn a_custom_object_is_a_leaf_unless_there_are_references() {
    let custom = "c|C:1:\"S\":3:{xyz}";
    let base = format!("{custom}a|i:1;");
    check(&base, &format!("{base}b|N;"), &custom.replace("xyz", "abc"), &(custom.replace("xyz", "abc") + "b|N;"), 0);
    let reason = Reason::CustomBesideReferences;
    check_fallback(Format::Php, &base, &format!("{base}o|{OBJECT}p|r:3;"), custom, reason);
    check_fallback(Format::Php, &base, &format!("{base}b|N;"), &custom.replace("3:{xyz", "4:{r:1;"), reason);
}

#[test]
fn a_change_of_one_side_alone_needs_no_format() {
    check_in(Format::Opaque, "1", "2", "1", "2", 0);
    check_in(Format::Opaque, "1", "1", "2", "2", 0);
    check_in(Format::Php, "a", "b", "b", "b", 0);
    check_fallback(Format::Opaque, "1", "2", "3", Reason::OpaqueFormat);
}

#[test]
fn handlers_have_formats() {
    let names = ["php", "php_serialize", "php_binary", "igbinary"];
    let formats = [Format::Php, Format::PhpSerialize, Format::PhpBinary, Format::Opaque];
    assert_eq!(names.map(Format::of_handler), formats);
}
