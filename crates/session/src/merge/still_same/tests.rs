//! What is still the same, written out as payloads.

use super::super::{Format, Merged, Reason, is_of, merge};
use super::still_same;

const FORMATS: [Format; 3] = [Format::Php, Format::PhpSerialize, Format::PhpBinary];

#[track_caller]
fn check_in(format: Format, old: &str, new: &str, same: &str) {
    let found = still_same(format, old.as_bytes(), new.as_bytes());
    assert_eq!(String::from_utf8_lossy(&found), same);
    assert!(is_of(format, &found), "{same} is malformed");
    // What is the same is the same in both.
    assert_eq!(String::from_utf8_lossy(&still_same(format, &found, new.as_bytes())), same);
    assert_eq!(String::from_utf8_lossy(&still_same(format, &found, old.as_bytes())), same);
}

#[track_caller]
fn check(old: &str, new: &str, same: &str) {
    check_in(Format::Php, old, new, same);
}

const OBJECT: &str = "O:1:\"A\":1:{s:1:\"x\";i:1;}";
const CHANGED_OBJECT: &str = "O:1:\"A\":1:{s:1:\"x\";i:2;}";

#[test]
fn variables_that_are_equal_are_kept_in_the_order_of_the_old() {
    check("a|i:1;b|i:2;c|i:3;", "c|i:3;x|N;b|i:4;a|i:1;", "a|i:1;c|i:3;");
    check("a|i:1;b|i:2;", "b|i:2;a|i:1;", "a|i:1;b|i:2;");
    check("a|i:1;", "a|i:1;b|i:2;", "a|i:1;");
    check("a|i:1;b|i:2;", "a|i:1;", "a|i:1;");
}

#[test]
fn what_differs_in_any_bit_of_its_bytes_is_not_the_same() {
    for (old, new) in [("i:1;", "b:1;"), ("i:0;", "N;"), ("d:0;", "d:-0;"), ("s:1:\"1\";", "i:1;"), ("d:1;", "i:1;")] {
        check(&format!("a|{old}z|N;"), &format!("a|{new}z|N;"), "z|N;");
        check(&format!("a|{old}"), &format!("a|{new}"), "");
    }
    // Of one name in other letters, or of which one begins the other.
    check("user|i:1;", "User|i:1;", "");
    check("user|i:1;", "use|i:1;users|i:1;", "");
}

#[test]
fn a_log_in_and_a_removal_do_not_show() {
    let shop = "basket|a:1:{i:7;i:2;}";
    check(&format!("{shop}csrf|s:1:\"a\";"), &format!("user|i:7;{shop}csrf|s:1:\"b\";"), shop);
    check(&format!("{shop}user|i:7;"), shop, shop);
    check(&format!("{shop}user|i:7;"), &format!("{shop}user|i:8;"), shop);
}

#[test]
fn an_array_that_is_no_bag_is_compared_whole() {
    let array = |inner: &str| format!("m|a:2:{{{inner}}}z|N;");
    let (one, other) = ("s:1:\"p\";i:1;", "s:1:\"q\";i:1;");
    let both = array(&[one, other].concat());
    check(&both, &both.replace("z|", "y|"), &both.replace("z|N;", ""));
    check(&both, &array(&[other, one].concat()), "z|N;");
    check("l|a:2:{i:0;i:1;i:1;i:2;}z|N;", "l|a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}z|N;", "z|N;");
    check("l|a:1:{i:0;i:1;}z|N;", "l|a:0:{}z|N;", "z|N;");
    check("l|a:0:{}z|N;", "l|N;z|N;", "z|N;");
    // However deep the difference is.
    check("m|a:1:{i:5;a:1:{i:6;i:1;}}z|N;", "m|a:1:{i:5;a:1:{i:6;i:2;}}z|N;", "z|N;");
    // A bag is one as a variable only.
    let inner = |user: u32| format!("m|a:1:{{s:15:\"_sf2_attributes\";a:2:{{{one}s:1:\"u\";i:{user};}}}}z|N;");
    check(&inner(1), &inner(2), "z|N;");
}

#[test]
fn of_a_bag_the_keys_that_are_equal_are_kept() {
    let keys = |kept: &[&str]| format!("a:{}:{{{}}}", kept.len(), kept.concat());
    let (cart, user, other, list) = ("s:1:\"c\";i:1;", "s:1:\"u\";i:1;", "s:1:\"u\";i:2;", "s:1:\"l\";a:1:{i:0;i:1;}");
    let (changed, more) = ("s:1:\"l\";a:2:{i:0;i:1;i:1;i:2;}", "s:1:\"m\";N;");
    for (format, bag) in [
        (Format::Php, "_sf2_attributes|"),
        (Format::Php, "_contao_be_attributes|"),
        (Format::Php, "_contao_fe_attributes|"),
        (Format::Php, "__Laminas|"),
        (Format::Php, "__ZF|"),
        (Format::Php, "__default|"),
        (Format::PhpBinary, "\u{f}_sf2_attributes"),
    ] {
        let check = |old: &[&str], new: &[&str], same: &[&str]| {
            let same = if same.is_empty() { String::new() } else { bag.to_owned() + &keys(same) };
            check_in(format, &(bag.to_owned() + &keys(old)), &(bag.to_owned() + &keys(new)), &same);
        };
        check(&[cart, user, list], &[cart, other, list], &[cart, list]);
        check(&[cart, user, list], &[list, more, cart], &[cart, list]);
        // Keys within a key are not compared one by one.
        check(&[cart, list], &[cart, changed], &[cart]);
        check(&[user], &[other], &[]);
        check(&[], &[user], &[]);
        check(&[user], &[], &[]);
    }
    let wrapped = |keys: &str| format!("a:2:{{s:15:\"_sf2_attributes\";{keys}i:0;N;}}");
    check_in(
        Format::PhpSerialize,
        &wrapped(&keys(&[cart, user])),
        &wrapped(&keys(&[other, cart])),
        &wrapped(&keys(&[cart])),
    );
}

#[test]
fn a_name_that_begins_like_a_bags_is_none() {
    let payload = |changed: u32| format!("a:2:{{s:20:\"_sf2_attributes\"more\";a:2:{{i:7;N;i:8;i:{changed};}}i:0;N;}}");
    check_in(Format::PhpSerialize, &payload(1), &payload(2), "a:1:{i:0;N;}");
    check("__ZFs|a:2:{i:7;N;i:8;i:1;}z|N;", "__ZFs|a:2:{i:7;N;i:8;i:2;}z|N;", "z|N;");
    check_in(Format::PhpBinary, "\u{5}__ZFsa:2:{i:7;N;i:8;N;}\u{1}zN;", "\u{5}__ZFsa:1:{i:7;N;}\u{1}zN;", "\u{1}zN;");
}

#[test]
fn a_bag_without_keys_is_kept_where_it_has_none_in_both() {
    check("__ZF|a:0:{}a|i:1;", "__ZF|a:0:{}a|i:2;", "__ZF|a:0:{}");
    check("a|i:1;__ZF|a:1:{i:7;i:1;}z|N;", "__ZF|a:1:{i:7;i:2;}z|N;", "z|N;");
}

#[test]
fn a_bag_that_is_an_array_on_one_side_alone_is_not_the_same() {
    check("__ZF|a:1:{i:7;N;}z|N;", "__ZF|i:7;z|N;", "z|N;");
    check("__ZF|i:7;z|N;", "__ZF|a:1:{i:7;N;}z|N;", "z|N;");
    check("__ZF|a:1:{i:7;N;}z|N;", "z|N;", "z|N;");
    check("x|a:1:{i:7;N;}__ZF|R:1;z|N;", "x|a:1:{i:7;N;}__ZF|a:1:{i:7;N;}z|N;", "x|a:1:{i:7;N;}z|N;");
}

#[test]
fn counts_and_names_are_those_of_the_format() {
    check_in(Format::PhpSerialize, "a:3:{i:0;N;i:1;N;i:2;N;}", "a:2:{i:2;N;i:0;N;}", "a:2:{i:0;N;i:2;N;}");
    check_in(Format::PhpSerialize, "a:1:{i:0;N;}", "a:1:{i:1;N;}", "");
    check_in(Format::PhpSerialize, "a:0:{}", "a:1:{i:1;N;}", "");
    check_in(Format::PhpSerialize, "a:2:{i:7;N;s:2:\"07\";N;}", "a:1:{s:2:\"07\";N;}", "a:1:{s:2:\"07\";N;}");
    check_in(Format::PhpBinary, "\u{1}aN;\u{0}N;\u{2}abN;", "\u{2}abN;\u{0}N;", "\u{0}N;\u{2}abN;");
    check("|N;a!b|N;", "a!b|N;|N;b|N;", "|N;a!b|N;");
}

#[test]
fn equal_bytes_are_the_same_in_any_format() {
    for bytes in [&b"\x00opaque"[..], b"", b"a|i:1;", b"a|", b"a:0:{}", b"c|C:1:\"S\":4:{r:1;}o|r:1;"] {
        for format in [Format::Opaque, Format::Php, Format::PhpSerialize, Format::PhpBinary] {
            assert_eq!(still_same(format, bytes, bytes), bytes);
        }
    }
}

#[test]
fn what_cannot_be_read_is_the_same_as_nothing() {
    let (valid, other) = ("a|i:1;b|i:1;", "a|i:1;b|i:2;");
    check(valid, other, "a|i:1;");
    assert_eq!(still_same(Format::Opaque, valid.as_bytes(), other.as_bytes()), b"");
    for malformed in ["a|i:1;b|", "a|i:1;rest", "a|i:1;a|i:1;", "a|i:1;b|R:7;", "a:1:{i:0;N;}", ""] {
        for (old, new) in [(valid, malformed), (malformed, valid)] {
            assert_eq!(still_same(Format::Php, old.as_bytes(), new.as_bytes()), b"", "{malformed}");
        }
    }
    for format in FORMATS {
        assert_eq!(still_same(format, b"", b"a:1:{i:0;N;}"), b"");
        assert_eq!(still_same(format, b"a:1:{i:0;N;}", b""), b"");
    }
}

#[test]
fn a_custom_object_is_compared_whole_unless_there_are_references() {
    let custom = "c|C:1:\"S\":3:{xyz}";
    check(&format!("{custom}a|i:1;"), &format!("{custom}a|i:2;"), custom);
    check(&format!("{custom}a|i:1;"), "c|C:1:\"S\":3:{xyw}a|i:1;", "a|i:1;");
    let shared = format!("o|{OBJECT}p|r:1;");
    check(&format!("{custom}a|i:1;"), &format!("a|i:1;{shared}"), "");
    check(&format!("a|i:1;{shared}"), &format!("{custom}a|i:1;"), "");
    check("a|i:1;c|C:1:\"S\":4:{r:1;}", "a|i:1;", "");
    let documents = [format!("{shared}{custom}a|N;"), format!("{shared}{custom}b|N;")];
    let [base, mine] = documents.each_ref().map(String::as_bytes);
    // As the merge has it.
    assert_eq!(merge(Format::Php, base, mine, b"z|N;"), Merged::Fallback(Reason::CustomBesideReferences));
    assert_eq!(still_same(Format::Php, base, mine), b"");
}

#[test]
fn back_references_are_renumbered() {
    let pair = |target: u32| format!("o|{OBJECT}p|r:{target};");
    check(&format!("x|a:2:{{i:0;N;i:1;N;}}{}", pair(4)), &pair(1), &pair(1));
    check(&format!("x|N;{}", pair(2)), &format!("{}x|i:1;", pair(1)), &pair(1));
    check(&pair(1), &format!("y|i:1;y2|i:1;{}", pair(3)), &pair(1));
    check("x|N;a|i:1;b|R:2;", "a|i:1;b|R:1;", "a|i:1;b|R:1;");
    // A reference within a value, and the array around the variables.
    let inner = |slot: u32| format!("i:1;a:2:{{i:0;{OBJECT}i:1;r:{slot};}}");
    let (old, same) = (format!("a:2:{{i:0;N;{}}}", inner(4)), format!("a:1:{{{}}}", inner(3)));
    check_in(Format::PhpSerialize, &old, &format!("a:2:{{{}i:0;i:1;}}", inner(3)), &same);
}

#[test]
fn back_references_are_renumbered_around_a_bag_of_which_keys_are_left_out() {
    let bag = |user: &str, len: u32| format!("__ZF|a:{len}:{{{user}s:1:\"o\";{OBJECT}}}");
    let old = format!("{}p|r:3;q|r:3;", bag("s:1:\"u\";i:1;", 2));
    let new = format!("{}p|r:3;q|r:3;", bag("s:1:\"u\";i:2;", 2));
    check(&old, &new, &format!("{}p|r:2;q|r:2;", bag("", 1)));
}

#[test]
fn what_names_a_changed_value_is_not_the_same() {
    let shared = |object: &str| format!("o|{object}p|r:1;q|a:1:{{i:0;r:1;}}z|N;");
    check(&shared(OBJECT), &shared(CHANGED_OBJECT), "z|N;");
    // And what names that.
    let chain = |last: &str| format!("a|{last}b|a:2:{{i:0;R:1;i:1;{OBJECT}}}c|r:3;z|N;");
    check(&chain("i:1;"), &chain("i:2;"), "z|N;");
    let bound = |value: &str| format!("a|{value}b|R:1;z|N;");
    check(&bound("i:1;"), &bound("i:2;"), "z|N;");
    check(&bound("s:1:\"x\";"), &bound("s:1:\"y\";"), "z|N;");
}

#[test]
fn what_names_an_equal_value_in_a_variable_that_is_left_out_is_left_out() {
    // The object is the same on both sides, but stands in an array that is not.
    let shared = |changed: u32| format!("a|a:2:{{s:1:\"o\";{OBJECT}s:1:\"v\";i:{changed};}}b|r:2;c|N;");
    check(&shared(1), &shared(2), "c|N;");
    // What stands before the difference, and names the array around it, is the same until that is seen.
    let around = |changed: u32| format!("a|a:3:{{s:1:\"r\";R:1;s:1:\"o\";{OBJECT}s:1:\"v\";i:{changed};}}b|r:2;c|N;");
    check(&around(1), &around(2), "c|N;");
    // In a bag the keys are on their own.
    let bag = |changed: u32| format!("__ZF|a:2:{{s:1:\"o\";{OBJECT}s:1:\"v\";i:{changed};}}b|r:2;c|N;");
    check(&bag(1), &bag(2), &format!("__ZF|a:1:{{s:1:\"o\";{OBJECT}}}b|r:2;c|N;"));
    // A bag that is the same, but for one key that names what is left out.
    let bag = |changed: u32| format!("a|a:2:{{i:0;{OBJECT}i:1;i:{changed};}}__ZF|a:2:{{i:3;r:2;i:4;N;}}");
    check(&bag(1), &bag(2), "__ZF|a:1:{i:4;N;}");
}

#[test]
fn the_first_of_a_bound_pair_stays_alone_and_the_second_does_not() {
    check("a|i:1;b|R:1;", "a|i:1;", "a|i:1;");
    check("a|i:1;b|R:1;", "a|i:1;b|i:1;", "a|i:1;");
    check("a|i:1;b|i:1;", "a|i:1;b|R:1;", "a|i:1;");
    check("a|i:1;b|R:1;", "b|i:1;", "");
    check("a|i:1;b|R:1;z|N;", "b|i:1;a|R:1;z|N;", "z|N;");
    check(&format!("o|{OBJECT}p|r:1;"), &format!("o|{OBJECT}p|{OBJECT}"), &format!("o|{OBJECT}"));
    check(&format!("o|{OBJECT}p|r:1;"), &format!("p|{OBJECT}"), "");
    // The same object, but bound to another name; or as a PHP reference.
    let two = |last: &str| format!("o|{OBJECT}p|{OBJECT}q|{last}");
    check(&two("r:1;"), &two("r:3;"), &two("").replace("q|", ""));
    check(&two("r:1;"), &two("R:1;"), &two("").replace("q|", ""));
}

#[test]
fn an_array_bound_by_a_reference_is_compared_as_any_other() {
    check("a|a:1:{i:0;N;}b|R:1;c|N;", "a|a:1:{i:0;N;}b|R:1;", "a|a:1:{i:0;N;}b|R:1;");
    check("a|a:1:{i:0;N;}b|R:1;c|N;", "a|a:1:{i:0;i:1;}b|R:1;c|N;", "c|N;");
    // A bag, of which keys are left out, is no longer what the other is bound to.
    check("__ZF|a:2:{i:3;N;i:4;N;}b|R:1;c|N;", "__ZF|a:2:{i:3;N;i:4;i:1;}b|R:1;c|N;", "__ZF|a:1:{i:3;N;}c|N;");
    check("__ZF|a:2:{i:3;N;i:4;R:1;}", "__ZF|a:2:{i:3;N;i:4;R:1;}c|N;", "__ZF|a:2:{i:3;N;i:4;R:1;}");
    check("__ZF|a:3:{i:3;N;i:4;R:1;i:5;N;}", "__ZF|a:2:{i:3;N;i:4;R:1;}", "__ZF|a:1:{i:3;N;}");
}

#[test]
fn what_is_bound_to_the_session_itself_is_left_out() {
    let [old, new] = ["a:2:{i:0;R:1;i:1;N;}", "a:2:{i:0;R:1;i:1;i:1;}"];
    check_in(Format::PhpSerialize, old, new, "");
    let [old, new] = ["a:3:{i:0;R:1;i:1;N;i:2;N;}", "a:3:{i:0;R:1;i:1;N;i:2;i:1;}"];
    check_in(Format::PhpSerialize, old, new, "a:1:{i:1;N;}");
}

#[test]
fn hostile_payloads_take_no_stack_and_linear_time() {
    const MANY: u32 = 100_000;
    let deep = |inner: &str| {
        let many = MANY as usize;
        format!("d|{}{inner}{}z|N;", "a:1:{i:7;".repeat(many), "}".repeat(many))
    };
    // Each names the one before it, and the first is not the same.
    let chain = |first: &str| {
        let links = (0..MANY).map(|link| format!("c{link}|a:1:{{i:0;r:{};}}", 2 * link + 2));
        format!("o|a:1:{{i:0;{first}}}{}z|N;", links.collect::<String>())
    };
    // Each key of the bag names the bag.
    let bag = |last: &str| {
        let keys: String = (0..MANY).map(|key| format!("i:{key};R:1;")).collect();
        format!("__ZF|a:{}:{{{keys}i:-1;{last}}}z|N;", MANY + 1)
    };
    let work = move || {
        check(&deep("N;"), &deep("i:1;"), "z|N;");
        check(&deep("N;"), &format!("{}y|N;", deep("N;")), &deep("N;"));
        check(&chain("O:1:\"A\":0:{}"), &chain("O:1:\"B\":0:{}"), "z|N;");
        check(&bag("N;"), &bag("i:1;"), "z|N;");
        check(&bag("N;"), &format!("{}y|N;", bag("N;")), &bag("N;"));
    };
    let in_small_stack = std::thread::Builder::new().stack_size(64 * 1024).spawn(work);
    in_small_stack.expect("a thread starts").join().expect("nothing panics");
}
