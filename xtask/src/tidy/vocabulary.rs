//! Words of our own for what has a standard name: once replaced, they do not come back.

use super::{Finding, TextFile};

/// The word, in any form that it had, and what it is called now.
const REPLACED: [(&str, &str); 17] = [
    ("judge", "authorize"),
    ("judgement", "authorization"),
    ("deed", "action"),
    ("deeds", "actions"),
    ("warrant", "change authorization"),
    ("warrants", "change authorizations"),
    ("errand", "purpose of a challenge"),
    ("errands", "purposes of challenges"),
    ("turnstile", "account lock"),
    ("lapse", "failed precondition"),
    ("lapses", "failed preconditions"),
    ("recollection", "lookup in the cache"),
    ("ousted", "update of an account"),
    ("walkstart", "start of a page"),
    ("walk_start", "start of a page"),
    ("manners", "dialect"),
    ("naked", "bare"),
];

/// Finds them in a file, also as parts of names.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = vec![];
    for (index, line) in file.text.lines().enumerate() {
        let words = line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        for (word, instead) in words.filter_map(replaced) {
            findings.push(Finding::line(&file.path, index, format!("`{word}` has a standard name: say {instead}")));
        }
    }
    findings
}

fn replaced(word: &str) -> Option<(&'static str, &'static str)> {
    let parts = std::iter::once(word).chain(word.split('_').flat_map(humps)).map(str::to_lowercase);
    parts.into_iter().find_map(|part| REPLACED.into_iter().find(|(replaced, _)| *replaced == part))
}

/// `ChangeDeed` as `Change` and `Deed`.
fn humps(word: &str) -> Vec<&str> {
    let starts = word.char_indices().filter(|(at, letter)| *at > 0 && letter.is_uppercase()).map(|(at, _)| at);
    let bounds: Vec<_> = [0].into_iter().chain(starts).chain([word.len()]).collect();
    bounds.windows(2).map(|pair| &word[pair[0]..pair[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_replaced_word_is_found_in_prose_and_in_names() {
        for text in ["the judge", "Judge::new", "fn judge_it()", "StaffDeed", "// Errands.", "walk_start", "WalkStart"]
        {
            assert_eq!(words(text).len(), 1, "{text}");
        }
        assert_eq!(words("a deed"), ["`deed` has a standard name: say action"]);
    }

    #[test]
    fn words_that_only_begin_alike_are_no_findings() {
        assert_eq!(words("indeed, prejudged, lapsed, warranty, snaked"), Vec::<String>::new());
    }
}
