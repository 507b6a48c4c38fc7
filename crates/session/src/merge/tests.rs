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
    check("", "a|a:1:{i:1;a:1:{i:5;N;}}", "a|a:1:{i:1;a:1:{i:6;N;}}", "a|a:1:{i:1;a:2:{i:6;N;i:5;N;}}", 0);
    check("a|N;", "a|a:1:{i:0;N;}", "a|a:0:{}", "a|a:1:{i:0;N;}", 0);
}

/// A variable `l` that is a list of these integers.
fn list(elements: &[u32]) -> String {
    let elements: String = elements.iter().enumerate().map(|(at, element)| format!("i:{at};i:{element};")).collect();
    format!("l|a:{}:{{{elements}}}", elements.matches(';').count() / 2)
}

#[track_caller]
fn check_lists(base: &[u32], mine: &[u32], theirs: &[u32], merged: &[u32], conflicts: u32) {
    check(&list(base), &list(mine), &list(theirs), &list(merged), conflicts);
}

#[test]
fn what_both_insert_into_a_list_is_kept_in_its_place() {
    check_lists(&[], &[1], &[2], &[2, 1], 0);
    check_lists(&[1], &[1, 2], &[1, 3, 4], &[1, 3, 4, 2], 0);
    check_lists(&[1, 2], &[1, 3, 2], &[1, 2, 4], &[1, 3, 2, 4], 0);
    check_lists(&[1, 2], &[3, 1, 2], &[4, 1, 2], &[4, 3, 1, 2], 0);
}

#[test]
fn equal_elements_that_both_insert_are_both_kept() {
    check_lists(&[1], &[1, 2], &[1, 2, 3], &[1, 2, 3, 2], 0);
    // Also where the sessions are the same.
    check_lists(&[], &[7], &[7], &[7, 7], 0);
    check("", "l|a:1:{i:0;i:7;}", "l|a:1:{i:0;i:7;}", "l|a:2:{i:0;i:7;i:1;i:7;}", 0);
}

#[test]
fn what_one_removes_from_a_list_is_gone() {
    check_lists(&[1, 2, 3], &[1, 3], &[1, 2, 3, 4], &[1, 3, 4], 0);
    check_lists(&[1, 2, 3], &[1, 3], &[2, 3], &[3], 0);
    check_lists(&[1, 2, 3], &[], &[1, 2, 3, 4], &[4], 0);
    // An insertion beside a removal, and in its place.
    check_lists(&[1, 2, 3], &[1, 3], &[1, 2, 4, 3], &[1, 4, 3], 0);
    check_lists(&[1, 2], &[1, 5], &[1, 2, 4], &[1, 5, 4], 0);
}

#[test]
fn who_removes_a_list_removes_the_elements_that_it_had() {
    check(&list(&[1]), "", &list(&[1, 2]), &list(&[2]), 0);
    check(&list(&[1]), "", &(list(&[1, 2]) + "z|N;"), &(list(&[2]) + "z|N;"), 0);
    check(&list(&[1]), &list(&[1, 2]), "z|N;", &format!("z|N;{}", list(&[2])), 0);
    check(&list(&[1, 2]), &list(&[1]), "z|N;", "z|N;", 0);
    // An element that was replaced stays no more than any other value that the other side has removed.
    check(&list(&[1]), "", &list(&[2]), "", 1);
    check(&list(&[1]), "z|N;", &list(&[2]), "z|N;", 1);
    check(&list(&[1]), &list(&[2]), "z|N;", &format!("z|N;{}", list(&[2])), 1);
    check(&list(&[1, 2]), "z|N;", &list(&[2]), "z|N;", 0);
}

#[test]
fn lists_that_stay_as_long_are_merged_place_by_place() {
    check_lists(&[1, 2, 3], &[1, 5, 3], &[4, 2, 3], &[4, 5, 3], 0);
    check_lists(&[1, 2, 3], &[1, 5, 3], &[1, 6, 4], &[1, 5, 4], 1);
}

#[test]
fn an_empty_array_is_what_the_others_are() {
    check("l|a:0:{}", "l|a:1:{s:1:\"a\";N;}", "l|a:1:{s:1:\"b\";N;}", "l|a:2:{s:1:\"b\";N;s:1:\"a\";N;}", 0);
    check_lists(&[1], &[], &[1, 2], &[2], 0);
    // Some are lists, another is none.
    check(&list(&[1]), "l|a:2:{i:0;i:1;i:2;N;}", &list(&[1, 3]), "l|a:3:{i:0;i:1;i:1;i:3;i:2;N;}", 0);
}

#[test]
fn elements_of_lists_are_whole() {
    let cart = |items: &[&str]| {
        let items: String = items.iter().enumerate().map(|(at, item)| format!("i:{at};{item}")).collect();
        format!("l|a:{}:{{{items}}}", items.matches("a:2:").count())
    };
    let item = |id: u32, option: &str| format!("a:2:{{s:2:\"id\";i:{id};s:6:\"option\";s:1:\"{option}\";}}");
    let (hat, coat, scarf, other) = (item(12, "a"), item(13, "b"), item(14, "c"), item(12, "z"));
    check(&cart(&[]), &cart(&[&hat]), &cart(&[&coat]), &cart(&[&coat, &hat]), 0);
    check(&cart(&[&hat]), &cart(&[&other]), &cart(&[&hat, &coat]), &cart(&[&other, &coat]), 0);
    check(&cart(&[&hat, &coat]), &cart(&[&other, &coat]), &cart(&[&hat, &scarf]), &cart(&[&other, &scarf]), 0);
}

#[test]
fn lists_with_references_out_of_elements_are_whole() {
    let shared = |more: &str, len: u32| format!("o|{OBJECT}l|a:{len}:{{i:0;r:1;{more}}}");
    check(&shared("", 1), &shared("i:1;i:1;", 2), &shared("i:1;i:2;", 2), &shared("i:1;i:1;", 2), 1);
    // And one that the base had by reference, of which one side has removed the other name.
    let (base, mine, theirs) = ("m|a:1:{i:0;i:1;}l|R:1;", "l|a:2:{i:0;i:1;i:1;i:3;}", "l|a:1:{i:0;i:1;}");
    check(base, mine, theirs, mine, 1);
    // Those that stay within an element are numbered anew.
    let own = |slot: u32| format!("a:2:{{i:0;{OBJECT}i:1;r:{slot};}}");
    check(
        "l|a:0:{}",
        &format!("l|a:1:{{i:0;{}}}", own(3)),
        &format!("l|a:1:{{i:0;{}}}", own(3)),
        &format!("l|a:2:{{i:0;{}i:1;{}}}", own(3), own(7)),
        0,
    );
    let base = format!("l|a:1:{{i:0;{}}}", own(3));
    let mine = format!("l|a:2:{{i:0;N;i:1;{}}}", own(4));
    let theirs = format!("l|a:2:{{i:0;{}i:1;i:5;}}", own(3));
    check(&base, &mine, &theirs, &format!("l|a:3:{{i:0;N;i:1;{}i:2;i:5;}}", own(4)), 0);
}

#[test]
fn lists_too_long_to_be_aligned_are_mine() {
    let numbers = |from: u32| (from..from + 1_200).collect::<Vec<_>>();
    let (base, mine) = (numbers(0), [numbers(0), numbers(2_000)].concat());
    // Nothing that the two have in common begins or ends them.
    let theirs: Vec<_> = base.iter().rev().copied().chain([9_000]).collect();
    check_lists(&base, &mine, &theirs, &mine, 1);
    // What is common to the beginning and to the end needs no table.
    let theirs = [vec![9_000], numbers(0)].concat();
    check_lists(&base, &mine, &theirs, &[vec![9_000], mine.clone()].concat(), 0);
}

#[test]
fn a_map_that_both_change_differently_is_mine() {
    let user = |fields: &str| format!("user|a:{}:{{{fields}}}", fields.matches("s:").count());
    let (id_1, id_2, admin) = ("s:2:\"id\";i:1;", "s:2:\"id\";i:2;", "s:5:\"admin\";b:1;");
    // Two log-ins at once.
    check("", &user(id_2), &user(&[id_1, admin].concat()), &user(id_2), 1);
    check("user|N;", &user(id_2), &user(&[id_1, admin].concat()), &user(id_2), 1);
    check(&user("s:1:\"x\";N;"), &user(id_2), &user(&[id_1, admin].concat()), &user(id_2), 1);
    // A removal is a change.
    let (both, name, renamed) = ([id_1, admin].concat(), "s:4:\"name\";i:1;", "s:5:\"admin\";i:7;");
    check(
        &user(&both),
        &user(&[id_1, name].concat()),
        &user(&[id_1, renamed].concat()),
        &user(&[id_1, name].concat()),
        1,
    );
    check(
        &user(&both),
        &user(&[id_1, renamed].concat()),
        &user(&[id_1, name].concat()),
        &user(&[id_1, renamed].concat()),
        1,
    );
}

#[test]
fn only_the_innermost_map_with_a_contradiction_is_mine() {
    let outer = |inner: &str, other: &str| format!("m|a:2:{{s:1:\"i\";a:2:{{{inner}}}s:1:\"o\";{other}}}v|{other}");
    let inner = |a: u32, b: u32| format!("s:1:\"a\";i:{a};s:1:\"b\";i:{b};");
    check(
        &outer(&inner(1, 1), "i:1;"),
        &outer(&inner(2, 1), "i:1;"),
        &outer(&inner(3, 3), "i:3;"),
        &outer(&inner(2, 1), "i:3;"),
        1,
    );
    // What was merged inside counts as little as what contradicts there.
    check(
        &outer(&inner(1, 1), "i:1;"),
        &outer(&inner(2, 1), "i:2;"),
        &outer(&inner(3, 3), "i:3;"),
        &outer(&inner(2, 1), "i:2;"),
        2,
    );
}

#[test]
fn the_keys_of_a_bag_are_independent() {
    let attributes =
        |name: &str, user: u32, cart: u32| format!("{name}a:2:{{s:4:\"user\";i:{user};s:4:\"cart\";i:{cart};}}");
    for (format, bag, map) in [
        (Format::Php, "_sf2_attributes|", "_sf2_attribute|"),
        (Format::PhpBinary, "\u{f}_sf2_attributes", "\u{e}_sf2_attribute"),
    ] {
        let merge = |name: &str, merged: (u32, u32)| {
            let [base, mine, theirs] = [(1, 1), (2, 1), (3, 3)].map(|(user, cart)| attributes(name, user, cart));
            check_in(format, &base, &mine, &theirs, &attributes(name, merged.0, merged.1), 1);
        };
        merge(bag, (2, 3));
        merge(map, (2, 1));
    }
    let wrapped = |payload: String| format!("a:1:{{{payload}}}");
    let [base, mine, theirs, merged] = [(1, 1), (2, 1), (3, 3), (2, 3)]
        .map(|(user, cart)| wrapped(attributes("s:15:\"_sf2_attributes\";", user, cart)));
    check_in(Format::PhpSerialize, &base, &mine, &theirs, &merged, 1);
}

#[test]
fn an_array_against_something_else_is_kept_whole() {
    check("a|a:1:{i:7;i:1;}", "a|a:1:{i:7;i:2;}", "a|i:1;", "a|a:1:{i:7;i:2;}", 1);
    check("a|a:1:{i:7;i:1;}", "a|a:1:{i:7;i:2;}", "b|i:1;", "b|i:1;a|a:1:{i:7;i:2;}", 1);
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
    let [base, mine, theirs] = ["a:1:{i:0;R:1;}", "a:2:{i:0;R:1;i:1;N;}", "a:2:{i:0;R:1;i:2;N;}"];
    check_fallback(Format::PhpSerialize, base, mine, theirs, Reason::CrossingReference);
}

#[test]
fn a_bound_array_is_a_leaf() {
    let base = "a|a:1:{i:0;N;}b|R:1;";
    let (mine, theirs) = (base.replace("N;", "i:1;"), base.replace("i:0;N;", "i:5;N;"));
    check(base, &mine, &theirs, &mine, 2);
    check(base, &mine, &format!("{base}c|N;"), &format!("{mine}c|N;"), 0);
    // Without the reference the same arrays are merged.
    let plain = |payload: &str| payload.replace("b|R:1;", "");
    check(&plain(base), &plain(&mine), &plain(&theirs), &plain(&mine), 1);
}

#[test]
fn an_array_that_is_no_longer_bound_is_merged() {
    let (mine, theirs) = ("a|a:2:{i:0;N;i:1;N;}", "a|a:2:{i:0;N;i:2;N;}");
    check("a|a:1:{i:0;N;}b|R:1;", mine, theirs, "a|a:3:{i:0;N;i:2;N;i:1;N;}", 0);
}

#[test]
fn a_reference_within_a_leaf_is_part_of_its_value() {
    let object = |target: u32| format!("o|O:1:\"A\":3:{{i:0;O:1:\"B\":0:{{}}i:1;O:1:\"B\":0:{{}}i:2;r:{target};}}");
    check(&object(2), &object(3), &(object(2) + "t|N;"), &(object(3) + "t|N;"), 0);
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

/// Scans a payload as theirs.
fn scans(format: Format, payload: &[u8]) -> bool {
    match merge(format, b"", &valid(format), payload) {
        Merged::Merged { .. } => true,
        Merged::Fallback(reason) => {
            assert_eq!(reason, Reason::Malformed);
            false
        }
    }
}

fn valid(format: Format) -> Vec<u8> {
    match format {
        Format::PhpSerialize => b"a:1:{s:5:\"valid\";N;}".to_vec(),
        Format::PhpBinary => b"\x05validN;".to_vec(),
        Format::Php | Format::Opaque => b"valid|N;".to_vec(),
    }
}

/// Checks which of these values scan, in each format and each position.
#[track_caller]
fn check_values(values: &[&str], scan: bool) {
    for value in values {
        let nested = format!("a:1:{{i:0;{value}}}");
        let property = format!("O:1:\"A\":1:{{i:0;{value}}}");
        for value in [*value, &nested, &property] {
            assert_eq!(scans(Format::Php, format!("k|{value}").as_bytes()), scan, "{value}");
            assert_eq!(scans(Format::PhpBinary, format!("\u{1}k{value}").as_bytes()), scan, "{value}");
            assert_eq!(scans(Format::PhpSerialize, format!("a:1:{{i:7;{value}}}").as_bytes()), scan, "{value}");
        }
    }
}

#[test]
fn all_that_php_writes_scans() {
    check_values(&["N;", "b:0;", "b:1;", "i:0;", "i:-5;", "i:9223372036854775807;", "E:5:\"A:One\";"], true);
    check_values(&["d:0;", "d:-0;", "d:0.1;", "d:1.0E+25;", "d:-1.5E-7;", "d:NAN;", "d:INF;", "d:-INF;"], true);
    check_values(&["s:0:\"\";", "s:3:\"\";}\";", "a:0:{}", "a:2:{i:0;N;s:2:\"0 \";N;}"], true);
    check_values(&["O:1:\"A\":0:{}", "C:1:\"A\":0:{}", "C:1:\"A\":3:{{;\"}", "O:1:\"A\":1:{s:1:\"7\";N;}"], true);
}

#[test]
fn what_php_does_not_write_is_malformed() {
    check_values(&["", "N", "n;", "b:2;", "b:;", "i:;", "i:-;", "i:1", "i:1.5;", "x:1;", "}", "N;N;"], false);
    check_values(&["d:;", "d:.;", "d:1e;", "d:1e+;", "d:nan;", "d:-NAN;", "d:1.5.5;", "d:+INF;"], false);
    check_values(
        &["s:1:\"\";", "s:1:\"a\"", "s:1:a;", "s:-1:\"a\";", "s:+1:\"a\";", "S:1:\"a\";", "E:1:\"A\";"],
        false,
    );
    check_values(&["a:1:{}", "a:0:{N;}", "a:1:{N;N;}", "a:1:{i:0;}", "a:0:{", "a:-1:{}", "a:1:{d:1;N;}"], false);
    check_values(&["O:0:\"\":0:{}", "O:1:\"A\":1:{}", "C:1:\"A\":2:{}", "C:1:\"A\":0:{};", "o:1:\"A\":0:{}"], false);
    check_values(&["R:0;", "r:0;", "R:9;", "r:9;", "R:;", "R:-1;", "R:99999999999999999999;"], false);
}

#[test]
fn keys_have_one_form_and_occur_once() {
    for array in ["i:01;N;", "i:+1;N;", "i:-0;N;", "i:9223372036854775808;N;", "s:1:\"1\";N;", "s:2:\"-1\";N;"] {
        assert!(!scans(Format::Php, format!("k|a:1:{{{array}}}").as_bytes()), "{array}");
    }
    for array in ["s:01:\"a\";N;", "s:00:\"\";N;", "i:1;a:00:{}", "i:1;a:01:{i:1;N;}"] {
        assert!(!scans(Format::Php, format!("k|a:1:{{{array}}}").as_bytes()), "{array}");
    }
    for array in ["s:2:\"01\";N;", "s:2:\"-0\";N;", "s:19:\"9223372036854775808\";N;", "i:-9223372036854775808;N;"] {
        assert!(scans(Format::Php, format!("k|a:1:{{{array}}}").as_bytes()), "{array}");
    }
    for array in ["i:1;N;i:1;N;", "i:-9223372036854775808;N;i:-9223372036854775808;N;", "s:1:\"a\";N;s:1:\"a\";N;"] {
        assert!(!scans(Format::Php, format!("k|a:2:{{{array}}}").as_bytes()), "{array}");
    }
    for array in ["i:1;N;s:1:\"a\";N;s:1:\"a\";N;", "i:2;N;s:1:\"a\";N;i:2;N;", "i:2;N;i:1;N;i:2;N;"] {
        assert!(!scans(Format::Php, format!("k|a:3:{{{array}}}").as_bytes()), "{array}");
    }
    assert!(!scans(Format::Php, b"k|N;k|N;"));
    let many: String = (0..100).map(|key| format!("k{key}|N;")).collect();
    assert!(scans(Format::Php, many.as_bytes()));
    assert!(!scans(Format::Php, format!("{many}k50|N;").as_bytes()));
    assert!(scans(Format::Php, b"!k|N;|N;"));
}

#[test]
fn variables_have_names_of_their_format() {
    assert!(!scans(Format::Php, b"k"));
    assert!(!scans(Format::Php, b"k|N;rest"));
    assert!(!scans(Format::PhpBinary, b"\x85validN;"));
    assert!(!scans(Format::PhpBinary, b"\x7fvalidN;"));
    assert!(!scans(Format::PhpSerialize, b"N;"));
    assert!(!scans(Format::PhpSerialize, b"a:0:{}N;"));
    assert!(!scans(Format::PhpSerialize, b"O:8:\"stdClass\":0:{}"));
}

#[test]
fn hostile_lengths_and_counts_are_not_believed() {
    for number in ["1000000000000000000", "18446744073709551615", "18446744073709551616", "4294967296", "4294967295"] {
        for value in
            ["s:@:\"a\";", "a:@:{i:0;N;}", "O:@:\"A\":0:{}", "O:1:\"A\":@:{}", "C:1:\"A\":@:{}", "E:@:\"A:B\";"]
        {
            check_values(&[&value.replace('@', number)], false);
        }
    }
}

#[test]
fn nesting_needs_no_stack_and_no_more_than_linear_time() {
    const DEPTH: usize = 200_000;
    let nested = move |open: &str, inner: &str| format!("d|{}{inner}{}", open.repeat(DEPTH), "}".repeat(DEPTH));
    let array = move |inner: &str| nested("a:1:{i:7;", inner);
    let list = move |inner: &str| nested("a:1:{i:0;", inner);
    let object = move |inner: &str| nested("O:1:\"A\":1:{i:0;", inner);
    let in_small_stack = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        check(&array("a:0:{}"), &array("a:1:{i:1;N;}"), &array("a:1:{i:2;N;}"), &array("a:2:{i:2;N;i:1;N;}"), 0);
        check(&list("N;"), &list("i:1;"), &list("i:2;"), &list("i:1;"), 1);
        check(&object("N;"), &object("i:1;"), &object("i:2;"), &object("i:1;"), 1);
        // An end that never comes, as often as it is awaited.
        assert!(!scans(Format::Php, &array("N;").as_bytes()[..9 * DEPTH]));
    });
    // In quadratic time this would take minutes.
    let started = std::time::Instant::now();
    in_small_stack.expect("a thread starts").join().expect("nothing panics");
    assert!(started.elapsed().as_secs() < 30, "took {:?}", started.elapsed());
}
