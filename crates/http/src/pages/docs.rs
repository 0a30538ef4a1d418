//! What the measurements know of the rows: the status of the answer that each is there for. Pages do not stand in the
//! OpenAPI document.

use actix_web::http::StatusCode;

use crate::openapi::doc::{Doc, Success, Tag};

const TAG: Tag = Tag { name: "Pages", text: "Pages for people." };

/// Something is shown.
pub(super) fn page() -> Doc {
    row(StatusCode::OK)
}

/// Something is done, and another page says so.
pub(super) fn form() -> Doc {
    row(StatusCode::SEE_OTHER)
}

/// Nothing is here but the way to another page.
pub(super) fn leads_on() -> Doc {
    row(StatusCode::SEE_OTHER)
}

const fn row(status: StatusCode) -> Doc {
    Doc::new("", TAG, "", Success { status, schema: None, headers: &[], text: "" })
}
