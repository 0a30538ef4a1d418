//! One name, one thing: no two types that others may use have the same name.

use std::collections::BTreeMap;

use super::rust::product;
use super::{Finding, TextFile};

/// Where the types of each name are: the file and the line, counted from 0.
type Places<'a> = BTreeMap<&'a str, Vec<(&'a str, usize)>>;

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut types = Places::new();
    for file in files.iter().filter(|file| is_product(&file.path)) {
        for (name, line) in public_types(&file.text) {
            types.entry(name).or_default().push((&file.path, line));
        }
    }
    types.retain(|_, places| places.len() > 1);
    types.into_iter().flat_map(|(name, places)| findings(name, &places)).collect()
}

fn findings(name: &str, places: &[(&str, usize)]) -> Vec<Finding> {
    let (file, line) = places[0];
    let message = |(other, at): &(&str, usize)| {
        Finding::line(*other, *at, format!("there is a `{name}` in {file}:{} already: find another name", line + 1))
    };
    places[1..].iter().map(message).collect()
}

fn is_product(path: &str) -> bool {
    path.contains("/src/") && !path.ends_with("/tests.rs") && !path.contains("/tests/")
}

fn public_types(text: &str) -> Vec<(&str, usize)> {
    let tokens = product(text);
    let mut types = vec![];
    for (at, token) in tokens.iter().enumerate() {
        if !matches!(token.text, "struct" | "enum" | "union" | "trait" | "type") {
            continue;
        }
        let before = at.checked_sub(1).map(|before| tokens[before].text);
        let is_public = match before {
            Some("pub") => true,
            // `pub(crate)` and its like, and not what is in brackets for another reason.
            Some(")") => tokens[..at]
                .iter()
                .rposition(|token| token.text == "(")
                .is_some_and(|open| open.checked_sub(1).is_some_and(|before| tokens[before].text == "pub")),
            _ => false,
        };
        if let Some(name) = tokens.get(at + 1).filter(|name| is_public && name.text.starts_with(char::is_alphabetic)) {
            types.push((name.text, name.line));
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_second_public_type_of_a_name_is_found_wherever_it_is() {
        let found = check(&[
            file("crates/a/src/lib.rs", "pub struct Row;\npub(crate) type Other = u8;"),
            file("crates/b/src/lib.rs", "mod x {\n    pub(in crate::x) enum Row {}\n}"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        let message = "crates/b/src/lib.rs:2: there is a `Row` in crates/a/src/lib.rs:1 already: find another name";
        assert_eq!(found[0].to_string(), message);
    }

    #[test]
    fn private_types_those_of_tests_and_what_a_macro_is_told_do_not_count() {
        let found = check(&[
            file("crates/a/src/lib.rs", "pub struct Row;\nstruct Row2; f(a) enum X {}\npub struct $name;"),
            file(
                "crates/a/src/x.rs",
                "struct Row;\n#[cfg(test)]\npub struct Row;\n// pub struct Row;\npub struct $name;",
            ),
            file("crates/a/src/x/tests.rs", "pub struct Row;"),
            file("crates/a/tests/it/main.rs", "pub struct Row;"),
        ]);
        assert_eq!(found, []);
    }
}
