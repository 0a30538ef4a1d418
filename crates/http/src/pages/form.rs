//! Fields of forms, each with its label, its hint and what is wrong with it.

use maud::{Markup, html};

/// A field for one line of text.
#[derive(Clone, Copy)]
pub(crate) struct TextField<'a> {
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    /// `text`, `email` or `password`.
    pub(crate) kind: &'a str,
    pub(crate) autocomplete: &'a str,
    pub(crate) value: &'a str,
    pub(crate) hint: &'a str,
    pub(crate) error: Option<&'a str>,
    /// Whether it may be left empty.
    pub(crate) optional: bool,
    /// Whether it is where a page begins.
    pub(crate) focus: bool,
}

impl<'a> TextField<'a> {
    pub(crate) const fn new(name: &'a str, label: &'a str) -> Self {
        let (kind, autocomplete, value, hint) = ("text", "off", "", "");
        Self { name, label, kind, autocomplete, value, hint, error: None, optional: false, focus: false }
    }

    pub(crate) const fn password(name: &'a str, label: &'a str, autocomplete: &'a str) -> Self {
        Self { kind: "password", autocomplete, ..Self::new(name, label) }
    }

    pub(crate) fn shown(self) -> Markup {
        self.sent_as(self.name)
    }

    /// The same under another name than that of its place in the page.
    pub(crate) fn sent_as(self, sent_as: &str) -> Markup {
        let Self { name, label, kind, autocomplete, value, hint, error, optional, focus } = self;
        let (error_id, hint_id) = (format!("{name}-error"), format!("{name}-hint"));
        let described = match (error, hint.is_empty()) {
            (Some(_), true) => Some(error_id.clone()),
            (Some(_), false) => Some(format!("{error_id} {hint_id}")),
            (None, false) => Some(hint_id.clone()),
            (None, true) => None,
        };
        // Phones would write a name with a capital letter, and correct it.
        let plain = kind == "text";
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(sent_as) type=(kind) value=[(!value.is_empty()).then_some(value)]
                    autocomplete=(autocomplete) autocapitalize=[plain.then_some("none")]
                    spellcheck=[plain.then_some("false")] required[!optional] aria-describedby=[described]
                    aria-invalid=[error.map(|_| "true")] autofocus[focus];
                @if let Some(error) = error { p.error id=(error_id) { (error) } }
                @if !hint.is_empty() { p.hint id=(hint_id) { (hint) } }
            }
        }
    }
}

/// A box to be ticked.
pub(crate) fn checkbox(name: &str, label: &str, hint: &str, ticked: bool) -> Markup {
    html! {
        div.choice {
            input type="checkbox" id=(name) name=(name) value="on" checked[ticked];
            label for=(name) { (label) @if !hint.is_empty() { " " small { (hint) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_tied_to_what_is_said_of_it() {
        let field =
            TextField { hint: "A hint.", error: Some("Wrong <b>."), value: "\"x", ..TextField::new("name", "Name") };
        let text = field.shown().into_string();
        for part in [
            "<label for=\"name\">Name</label>",
            "id=\"name\" name=\"name\"",
            "value=\"&quot;x\"",
            "aria-describedby=\"name-error name-hint\"",
            "aria-invalid=\"true\"",
            "<p class=\"error\" id=\"name-error\">Wrong &lt;b&gt;.</p>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let password = TextField::password("password", "Password", "current-password").shown().into_string();
        assert!(!password.contains("aria-invalid") && !password.contains("value="));
    }
}
