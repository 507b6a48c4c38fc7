//! Whose session it is, on trees, after the rules in the documentation of the merge.

use crate::trees::{Array, Key, Value};

/// Values of `cloakroom.user` for the sessions that are generated. A star stands for a whole name.
pub(crate) const PATHS: [&str; 5] = ["a", "b.c, d", "_sf2_attributes.*", "*", "*.*, a"];

#[derive(Debug, Clone, PartialEq)]
enum User {
    Nobody,
    Known(String),
    Untold,
}

/// Whether a merge of base, mine and theirs would mix what two users have.
pub(crate) fn mixes_users(paths: &str, sessions: [&Array; 4]) -> bool {
    let [was, mine, theirs, merged] = sessions.map(|session| user(paths, session));
    if [&was, &mine, &theirs].contains(&&User::Untold) {
        let [was, mine, theirs, _] = sessions.map(|session| variables(paths, session));
        return mine != was && theirs != was && mine != theirs;
    }
    (mine != was && merged != mine) || (theirs != was && merged != theirs)
}

fn names(paths: &str) -> impl Iterator<Item = Vec<&str>> {
    paths.split(", ").map(|path| path.split('.').collect())
}

fn user(paths: &str, session: &Array) -> User {
    names(paths)
        .map(|names| user_in(&Value::Array(session.clone()), &names))
        .find(|user| *user != User::Nobody)
        .unwrap_or(User::Nobody)
}

fn user_in(value: &Value, names: &[&str]) -> User {
    let Value::Array(array) = value else {
        return if names.is_empty() || told(value) == User::Untold { told(value) } else { User::Nobody };
    };
    let [name, below @ ..] = names else { return User::Untold };
    let users: Vec<User> =
        array.iter().filter(|(key, _)| is_meant(name, key)).map(|(_, value)| user_in(value, below)).collect();
    if users.contains(&User::Untold) {
        return User::Untold;
    }
    users.into_iter().find(|user| *user != User::Nobody).unwrap_or(User::Nobody)
}

/// No name here is a number, nor what numbers are written as where variables must have names.
fn is_meant(name: &str, key: &Key) -> bool {
    name == "*" || *key == Key::Text(name.to_owned())
}

fn told(value: &Value) -> User {
    let Value::Leaf(leaf) = value else { return User::Untold };
    let text = leaf.strip_prefix("s:").and_then(|text| text.split_once('"')?.1.strip_suffix("\";"));
    match (text, leaf.strip_prefix("i:")) {
        _ if leaf == "N;" || text == Some("") => User::Nobody,
        (Some(text), _) => User::Known(text.to_owned()),
        (_, Some(number)) => User::Known(number.trim_end_matches(';').to_owned()),
        _ => User::Untold,
    }
}

fn variables<'a>(paths: &str, session: &'a Array) -> Vec<&'a (Key, Value)> {
    session.iter().filter(|(key, _)| names(paths).any(|names| is_meant(names[0], key))).collect()
}
