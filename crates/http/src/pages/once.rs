//! Forms that make something once, and show it once: a page that is loaded again makes nothing.

use maud::{Markup, html};
use thunderhead_auth::tokens::form::OneTimeForm;

use crate::access::call::Call;
use crate::request::body::Fields;

/// What makes a form good once.
const FIELD: &str = "once";

/// What is wrong with a form that is none any more.
pub(crate) const LAY_OPEN: &str = "This form lay open for too long. Look at it once more, and send it again.";

/// What has to stand in such a form.
pub(crate) fn field(call: &Call) -> Markup {
    html! { input type="hidden" name=(FIELD) value=(call.auth().forms.begin().text()); }
}

/// The form that was sent; `None` where it is none, or lay open for too long.
pub(crate) fn sent(call: &Call, fields: &Fields) -> Option<OneTimeForm> {
    fields.text(FIELD).and_then(|text| call.auth().forms.find(text))
}

/// Says that what follows is not shown again.
pub(crate) fn warning() -> Markup {
    html! { div.note.warn { p { b { "Copy it now." } " It is shown this once, and nobody can show it again." } } }
}

/// What was made, and a button that copies it.
pub(crate) fn secret(id: &str, text: &str, button: &str) -> Markup {
    html! {
        p.secret.mono #(id) { (text) }
        div.row { button.plain.small.needs-script type="button" data-copy=(id) { (button) } }
    }
}
