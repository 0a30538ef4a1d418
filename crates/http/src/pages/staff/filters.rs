//! The fields by which staff narrow down what they look at. What is wrong is said at its field.

use maud::{Markup, html};

/// One field: what it is called in the address, for people, and what was typed into it.
pub(super) struct FilterField<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    pub(super) asked: &'a str,
    pub(super) error: Option<&'a str>,
}

impl FilterField<'_> {
    /// A field for a text.
    pub(super) fn text(&self, hint: &str) -> Markup {
        let Self { name, label, asked, error } = self;
        let (error_id, hint_id) = (format!("{name}-error"), format!("{name}-hint"));
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) type="text" value=(asked) autocomplete="off" autocapitalize="none"
                    spellcheck="false" aria-describedby=(if error.is_some() { &error_id } else { &hint_id })
                    aria-invalid=[error.map(|_| "true")] autofocus[error.is_some()];
                @match error {
                    Some(error) => p.error id=(error_id) { (error) },
                    None => p.hint id=(hint_id) { (hint) },
                }
            }
        }
    }

    /// A choice among some, or none of them.
    pub(super) fn choice(&self, choices: impl IntoIterator<Item = (&'static str, &'static str)>) -> Markup {
        let Self { name, label, asked, error } = self;
        let error_id = format!("{name}-error");
        html! {
            div.field {
                label for=(name) { (label) }
                select id=(name) name=(name) aria-describedby=[error.map(|_| &error_id)]
                    aria-invalid=[error.map(|_| "true")] {
                    option value="" { "Anything" }
                    @for (value, words) in choices { option value=(value) selected[*asked == value] { (words) } }
                }
                @if let Some(error) = error { p.error id=(error_id) { (error) } }
            }
        }
    }
}
