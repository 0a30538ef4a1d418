//! What all pages are made of: the document around them, and the parts that they share.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use maud::{DOCTYPE, Markup, html};
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::middleware::request_context::AsItIs;
use crate::pages::assets::{SCRIPT, STYLE};
use crate::pages::notice::Notice;
use crate::pages::{Kit, headers};

/// What pages are called whose site has no name.
const UNNAMED: &str = "Thunderhead";

/// The places that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Account,
    Sessions,
    Tokens,
    Security,
    Staff,
}

impl Section {
    const ALL: [Self; 5] = [Self::Account, Self::Sessions, Self::Tokens, Self::Security, Self::Staff];

    const fn link(self) -> (&'static str, &'static str) {
        match self {
            Self::Account => ("/account", "Account"),
            Self::Sessions => ("/account/sessions", "Sessions"),
            Self::Tokens => ("/account/tokens", "Tokens"),
            Self::Security => ("/account/security", "Security"),
            Self::Staff => ("/staff", "Staff"),
        }
    }
}

/// A page that is being put together.
pub(crate) struct HtmlPage<'a> {
    call: &'a Call,
    title: &'a str,
    viewer: Option<(&'a Principal, Section)>,
    status: StatusCode,
    leads_to: Option<String>,
}

impl<'a> HtmlPage<'a> {
    /// For a visitor.
    pub(crate) const fn new(call: &'a Call, title: &'a str) -> Self {
        Self { call, title, viewer: None, status: StatusCode::OK, leads_to: None }
    }

    /// For somebody who is signed in.
    pub(crate) fn of(call: &'a Call, viewer: &'a Principal, section: Section, title: &'a str) -> Self {
        Self { viewer: Some((viewer, section)), ..Self::new(call, title) }
    }

    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with forms whose answers may lead to another origin.
    pub(crate) fn leading_to(self, origin: Option<String>) -> Self {
        Self { leads_to: origin, ..self }
    }

    /// The answer, with what is waiting to be said once.
    pub(crate) fn show(self, main: &Markup) -> HttpResponse {
        let request = self.call.request();
        let notice = Notice::waiting(self.call).map(Notice::shown);
        let main = html! {
            @if let Some(notice) = notice { (notice) }
            (main)
        };
        let text = document(Kit::find(request), self.title, self.viewer, &main);
        let mut response = respond(request, self.status, self.leads_to.as_deref(), text);
        Notice::take(self.call, &mut response);
        response
    }
}

/// The answer that a document is.
pub(super) fn respond(
    request: &HttpRequest,
    status: StatusCode,
    leads_to: Option<&str>,
    document: Markup,
) -> HttpResponse {
    let mut response = HttpResponse::build(status).content_type(ContentType::html()).body(document.into_string());
    headers::write(response.headers_mut(), Kit::find(request).map(Kit::site), leads_to);
    response.extensions_mut().insert(AsItIs);
    response
}

/// Leads on to a place of ours, or to one that was checked.
pub(crate) fn see_other(request: &HttpRequest, place: &str) -> HttpResponse {
    use actix_web::http::header::LOCATION;
    let mut response = HttpResponse::SeeOther();
    let mut response = response.insert_header((LOCATION, place)).finish();
    headers::write(response.headers_mut(), Kit::find(request).map(Kit::site), None);
    response
}

/// The same with something that the next page says.
pub(crate) fn see_other_saying(call: &Call, place: &str, notice: Notice) -> HttpResponse {
    let mut response = see_other(call.request(), place);
    notice.write(call, &mut response);
    response
}

/// A whole document around what is in the middle of it.
pub(super) fn document(kit: Option<&Kit>, title: &str, viewer: Option<(&Principal, Section)>, main: &Markup) -> Markup {
    let name = kit.map(|kit| kit.site().name.as_str()).filter(|name| !name.is_empty()).unwrap_or(UNNAMED);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – " (name) }
                link rel="stylesheet" href=(STYLE.path());
                @if let Some(css) = kit.and_then(|kit| kit.theme().css.as_ref()) {
                    link rel="stylesheet" href=(css.path());
                }
                link rel="icon" href="data:,";
                script src=(SCRIPT.path()) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" {
                        @match kit.and_then(|kit| kit.theme().logo.as_ref()) {
                            Some(logo) => { img src=(logo.path()) alt=(name); }
                            None => { (name) }
                        }
                    }
                    @if let Some((viewer, section)) = viewer { (navigation(viewer, section, kit.is_some_and(|kit| kit.site().staff))) }
                }
                main.narrow[viewer.is_none()] #main {
                    (main)
                }
            }
        }
    }
}

fn navigation(viewer: &Principal, here: Section, has_staff_pages: bool) -> Markup {
    let is_theirs = |section: &Section| *section != Section::Staff || (viewer.user().staff && has_staff_pages);
    html! {
        nav aria-label="Main" {
            ul {
                @for section in Section::ALL.into_iter().filter(is_theirs) {
                    @let (path, name) = section.link();
                    li { a href=(path) aria-current=[(section == here).then_some("page")] { (name) } }
                }
            }
        }
        div.who {
            b title=(viewer.user().username) { (viewer.user().username) }
            form method="post" action="/logout" { button.link { "Sign out" } }
        }
    }
}

/// Something that is said before all else of a page.
pub(crate) fn alert(words: &str) -> Markup {
    html! { div.note.bad role="alert" { p { (words) } } }
}

/// A form that is a button alone. `hidden` are its fields.
pub(crate) fn button(action: &str, class: &str, words: &Markup, hidden: &[(&str, &str)]) -> Markup {
    html! {
        form method="post" action=(action) {
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            button class=(class) { (words) }
        }
    }
}

/// A table that becomes cards where there is no room for it. The first column says what a row is; where the last one has
/// no name, it is what can be done.
pub(crate) fn table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    table_of("cards", caption, columns, rows)
}

/// The same for many rows with little in each, whose cards are a few lines of text.
pub(crate) fn brief_table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    table_of("cards brief", caption, columns, rows)
}

fn table_of(class: &str, caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table class=(class) role="table" {
            caption.sr { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th role="columnheader" scope="col" {
                            @if column.is_empty() { span.sr { "Actions" } } @else { (column) }
                        }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (index, (column, cell)) in columns.iter().zip(row).enumerate() {
                            @if column.is_empty() { td.act role="cell" { (cell) } }
                            @else if index == 0 { td.lead role="cell" { (cell) } }
                            @else { td role="cell" data-label=(column) { div { (cell) } } }
                        }
                    }
                }
            }
        }
    }
}
