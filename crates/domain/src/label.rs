//! Names that people give to things, and read in lists.

/// Whether a text is 1 to `longest` characters, none of them a control character, and not blank.
pub(crate) fn is_label(text: &str, longest: usize) -> bool {
    let length = text.chars().take(longest + 1).count();
    (1..=longest).contains(&length) && !text.chars().any(char::is_control) && !text.trim().is_empty()
}
