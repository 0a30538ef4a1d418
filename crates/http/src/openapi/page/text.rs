//! The little of CommonMark that the document's texts use: paragraphs, lists of one level, and code spans.

use maud::{Markup, html};

/// A text of several paragraphs and lists.
pub(crate) fn blocks(text: &str) -> Markup {
    html! {
        @for block in text.split("\n\n").filter(|block| !block.is_empty()) {
            @if block.starts_with("- ") {
                ul { @for item in block.lines() { li { (line(item.trim_start_matches("- "))) } } }
            } @else {
                p { (line(block)) }
            }
        }
    }
}

/// A text without paragraphs: what stands between backticks is code.
pub(crate) fn line(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
