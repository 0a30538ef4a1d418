//! The document as one HTML page to be read: it needs no other host and runs no script. Everything is escaped by
//! the template (maud).

mod operation;
mod schema;
mod text;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use operation::{Group, groups};

const STYLE: &str = include_str!("page/style.css");

pub(crate) fn render(document: &Value, document_path: &str) -> String {
    let title = document["info"]["title"].as_str().unwrap_or_default();
    let groups = groups(document);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (contents(title, document, &groups))
                main {
                    header {
                        h1 { (title) " API " small { (string(&document["info"]["version"])) } }
                        (text::blocks(string(&document["info"]["description"])))
                        p { "For machines: " a href=(document_path) { code { (document_path) } } "." }
                        (credentials(&document["components"]["securitySchemes"]))
                    }
                    @for group in &groups { (section(group, document)) }
                    (structures(document))
                    (response_headers(&document["components"]["headers"]))
                }
            }
        }
    };
    page.into_string()
}

fn contents(title: &str, document: &Value, groups: &[Group<'_>]) -> Markup {
    html! {
        nav aria-label="Contents" {
            p.title { (title) }
            @for group in groups {
                h2 { a href={ "#" (anchor(group.name)) } { (group.name) } }
                ul {
                    @for entry in &group.entries {
                        li { a href={ "#" (entry.id()) } { (operation::badges(entry)) " " (entry.summary()) } }
                    }
                }
            }
            h2 { a href="#structures" { "Structures" } }
            ul { @for name in object(&document["components"]["schemas"]).keys() { li { (schema::link(name)) } } }
            h2 { a href="#headers" { "Headers" } }
        }
    }
}

fn credentials(schemes: &Value) -> Markup {
    html! {
        h2 { "Credentials" }
        ul {
            @for scheme in object(schemes).values() {
                li {
                    @if scheme["type"] == "http" {
                        code { "Authorization: Bearer …" } ": the token."
                    } @else if scheme["in"] == "cookie" {
                        code { "Cookie: " (string(&scheme["name"])) "=…" } ": the token. "
                        (text::line(string(&scheme["description"])))
                    } @else {
                        code { (string(&scheme["name"])) ": …" } ": " (text::line(string(&scheme["description"])))
                    }
                }
            }
        }
    }
}

fn section(group: &Group<'_>, document: &Value) -> Markup {
    html! {
        section {
            h2 id=(anchor(group.name)) { (group.name) }
            (text::blocks(group.text))
            @for entry in &group.entries { (operation::article(entry, document)) }
        }
    }
}

fn structures(document: &Value) -> Markup {
    html! {
        section {
            h2 id="structures" { "Structures" }
            @for (name, schema) in object(&document["components"]["schemas"]) {
                article id={ "schema-" (name) } {
                    h3 { code { (name) } }
                    (schema::whole(schema))
                }
            }
        }
    }
}

fn response_headers(headers: &Value) -> Markup {
    html! {
        section {
            h2 id="headers" { "Headers" }
            table {
                tr { th { "header" } th { "value" } th { "meaning" } }
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

/// A heading's place in the page.
fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
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
