//! The document as one HTML page to be read: it needs no other host, and without its script only the search is missing.
//! Everything is escaped by the template (maud).

mod curl;
mod operation;
mod schema;
mod text;

use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

use operation::{Group, groups};

/// What the page looks like.
pub(crate) const STYLE: &str = include_str!("page/style.css");
/// The search.
pub(crate) const SCRIPT: &str = include_str!("page/search.js");

/// Where a page and what belongs to it are served.
#[derive(Clone, Copy)]
pub(crate) struct Paths {
    pub(crate) document: &'static str,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
}

pub(crate) fn render(document: &Value, paths: Paths) -> String {
    let title = document["info"]["title"].as_str().unwrap_or_default();
    let groups = groups(document);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " API" }
                link rel="stylesheet" href=(paths.style);
                script src=(paths.script) defer {}
            }
            body {
                header { h1 { (title) " API " small { (string(&document["info"]["version"])) } } }
                (contents(document, &groups))
                main {
                    (introduction(document, paths))
                    @for group in &groups { (section(group, document)) }
                    (structures("Structures", document, |name| !is_error(name)))
                    (structures("Errors", document, is_error))
                    (response_headers(&document["components"]["headers"]))
                }
            }
        }
    };
    page.into_string()
}

/// The search, which the script brings to light, and a list of everything. Where there is no room, both fold.
fn contents(document: &Value, groups: &[Group<'_>]) -> Markup {
    let names = |of: fn(&str) -> bool| object(&document["components"]["schemas"]).keys().filter(move |name| of(name));
    html! {
        nav aria-label="Contents" {
            div #search role="search" hidden {
                input type="search" placeholder="Search" aria-label="Search the page" autocomplete="off" spellcheck="false"
                    aria-keyshortcuts="/";
                output {}
            }
            details {
                summary { "Contents" }
                @for group in groups {
                    details open {
                        summary { (group.name) }
                        ul {
                            @for entry in &group.entries {
                                li { a href={ "#" (entry.id()) } { (operation::badge(entry)) " " (entry.summary()) } }
                            }
                        }
                    }
                }
                details {
                    summary { "Structures" }
                    ul { @for name in names(|name| !is_error(name)) { li { (schema::link(name)) } } }
                }
                details {
                    summary { "Errors" }
                    ul { @for name in names(is_error) { li { (schema::link(name)) } } }
                }
                p { a href="#headers" { "Headers" } }
            }
        }
    }
}

fn introduction(document: &Value, paths: Paths) -> Markup {
    html! {
        section #introduction {
            (text::blocks(string(&document["info"]["description"])))
            p { "For programs: " a href=(paths.document) { code { (paths.document) } } "." }
            h2 { "Credentials" }
            ul {
                @for scheme in object(&document["components"]["securitySchemes"]).values() { li { (credential(scheme)) } }
            }
            p { "The examples are for a shell that knows where the server is, and the token of a login:" }
            pre { code { "SERVER=" span #origin { "http://127.0.0.1:8000" } "\nTOKEN=…" } }
        }
    }
}

fn credential(scheme: &Value) -> Markup {
    html! {
        @if scheme["scheme"] == "basic" {
            code { "Authorization: Basic …" } ": " (text::line(string(&scheme["description"])))
        } @else if scheme["type"] == "http" {
            code { "Authorization: Bearer …" } ": the token."
        } @else if scheme["in"] == "cookie" {
            code { "Cookie: " (string(&scheme["name"])) "=…" } ": the token. "
            (text::line(string(&scheme["description"])))
        } @else {
            code { (string(&scheme["name"])) ": …" } ": " (text::line(string(&scheme["description"])))
        }
    }
}

fn section(group: &Group<'_>, document: &Value) -> Markup {
    html! {
        section {
            h2 { (group.name) }
            (text::blocks(group.text))
            @for entry in &group.entries { (operation::article(entry, document)) }
        }
    }
}

/// Those of the document's structures whose names are wanted.
fn structures(title: &str, document: &Value, wanted: fn(&str) -> bool) -> Markup {
    html! {
        section {
            h2 { (title) }
            @for (name, schema) in object(&document["components"]["schemas"]).iter().filter(|(name, _)| wanted(name)) {
                article id={ "schema-" (name) } {
                    h3 { code { (name) } }
                    (schema::whole(schema, document))
                }
            }
        }
    }
}

fn response_headers(headers: &Value) -> Markup {
    html! {
        section {
            h2 #headers { "Headers" }
            table {
                thead { tr { th { "header" } th { "example" } th { "meaning" } } }
                tbody {
                    @for (name, header) in object(headers) {
                        tr {
                            td { code { (name) } }
                            td { code { (schema::plain(&header["example"])) } }
                            td { (text::line(string(&header["description"]))) }
                        }
                    }
                }
            }
        }
    }
}

fn is_error(name: &str) -> bool {
    name.ends_with("Error")
}

/// The component that something refers to, or else itself.
fn resolved<'a>(value: &'a Value, document: &'a Value) -> &'a Value {
    let pointer = string(&value["$ref"]).strip_prefix('#');
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// The name of the component that something refers to.
fn referred(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.rsplit('/').next()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The entries of an object; of anything else, none.
fn object(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}

/// The items of an array; of anything else, none.
fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
