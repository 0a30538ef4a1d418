//! What every answer of a page says to browsers.

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
};

use crate::site::PageSettings;

/// A year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Writes them; the answer to a form of the page may lead to `leads_to` besides, which is an origin.
pub(super) fn write(headers: &mut HeaderMap, site: Option<&PageSettings>, leads_to: Option<&str>) {
    headers.insert(CONTENT_SECURITY_POLICY, policy(leads_to));
    // With no-referrer a form would be sent with an Origin of null.
    headers.insert(REFERRER_POLICY, SAME_ORIGIN);
    headers.insert(OPENER, SAME_ORIGIN);
    headers.insert(RESOURCE, SAME_ORIGIN);
    if site.is_some_and(|site| site.public_url.is_https()) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Pages load what is ours, and nothing that stands in them runs. Chromium holds the answer to a form to `form-action`,
/// too: where it leads elsewhere, that is named.
fn policy(leads_to: Option<&str>) -> HeaderValue {
    const ALONE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
        connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    let named = leads_to.and_then(|origin| HeaderValue::from_str(&format!("{ALONE} {origin}")).ok());
    named.unwrap_or(HeaderValue::from_static(ALONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lead_to_this_site_and_to_one_that_is_named() {
        let said = |leads_to| policy(leads_to).to_str().unwrap().to_owned();
        assert!(said(None).ends_with("; form-action 'self'"));
        assert!(said(Some("https://app.example")).ends_with("; form-action 'self' https://app.example"));
    }
}
