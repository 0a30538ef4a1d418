//! Reading query strings. Nothing in one is ever an error: what cannot be read counts as absent
//! (`docs/API.md`).

use std::borrow::Cow;

use actix_web::HttpRequest;
use thunderhead_domain::ports::PageRequest;

/// The default and the most items of a page.
const MOST_ITEMS: u32 = 50;
/// The largest offset: what a database can count to.
const LARGEST_OFFSET: u64 = i64::MAX.unsigned_abs();

/// Whether the first parameter of one of these names says `true` or `1`. Everything else is false.
pub(crate) fn flag(request: &HttpRequest, names: &[&str]) -> bool {
    says_yes(first(request, |given| names.contains(&given)))
}

/// The same of one name, without regard to its case.
pub(crate) fn flag_in_any_case(request: &HttpRequest, name: &str) -> bool {
    says_yes(first(request, |given| given.eq_ignore_ascii_case(name)))
}

fn says_yes(value: Option<Cow<'_, str>>) -> bool {
    value.is_some_and(|value| matches!(value.as_ref(), "true" | "1"))
}

/// The first value of a parameter.
pub(crate) fn text(request: &HttpRequest, name: &str) -> Option<String> {
    first(request, |given| given == name).map(Cow::into_owned)
}

/// All values of a parameter, in their order.
pub(crate) fn texts(request: &HttpRequest, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.filter(|(given, _)| given == name).map(|(_, value)| value.into_owned()).collect()
}

/// Which page of a list is wanted: `limit` and `offset`, each with its default where it is absent, out of range
/// or no plain number.
pub(crate) fn page(request: &HttpRequest) -> PageRequest {
    page_of(|name| first(request, |given| given == name))
}

/// The same without regard to the case of the names.
pub(crate) fn page_in_any_case(request: &HttpRequest) -> PageRequest {
    page_of(|name| first(request, |given| given.eq_ignore_ascii_case(name)))
}

fn page_of<'a>(value_of: impl Fn(&str) -> Option<Cow<'a, str>>) -> PageRequest {
    let limit = value_of("limit").and_then(number).and_then(|limit| u32::try_from(limit).ok());
    let offset = value_of("offset").and_then(number);
    PageRequest {
        limit: limit.filter(|limit| *limit <= MOST_ITEMS).unwrap_or(MOST_ITEMS),
        offset: offset.filter(|offset| *offset <= LARGEST_OFFSET).unwrap_or(0),
    }
}

/// A number in plain decimal digits.
fn number(value: Cow<'_, str>) -> Option<u64> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) { value.parse().ok() } else { None }
}

fn first(request: &HttpRequest, is_wanted: impl Fn(&str) -> bool) -> Option<Cow<'_, str>> {
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.into_iter().find(|(name, _)| is_wanted(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn request(query: &str) -> HttpRequest {
        TestRequest::with_uri(&format!("/x?{query}")).to_http_request()
    }

    #[test]
    fn a_flag_is_true_or_1_in_its_first_occurrence() {
        let names = ["include-self", "includeSelf"];
        for query in ["include-self=true", "includeSelf=1", "a=b&include%2Dself=tru%65", "includeSelf=1&include-self=0"]
        {
            assert!(flag(&request(query), &names), "{query}");
        }
        for query in [
            "",
            "include-self",
            "include-self=",
            "include-self=false",
            "include-self=TRUE",
            "include-self=yes",
            "include-self=+1",
            "include-self=01",
            "Include-Self=true",
            "include-self=false&include-self=true",
            "include-self=false&includeSelf=true",
            "include-self=%ff",
            "include-self=%",
        ] {
            assert!(!flag(&request(query), &names), "{query}");
        }
    }

    #[test]
    fn names_match_in_any_case_where_they_are_meant_to_and_values_do_not() {
        for query in ["allButSelf=true", "allbutSelf=1", "ALLBUTSELF=true", "a=b&AllButSelf=true&allButSelf=false"] {
            assert!(flag_in_any_case(&request(query), "allButSelf"), "{query}");
        }
        for query in ["", "allButSelf", "allButSelf=TRUE", "all-but-self=true", "allButSelf=no&allbutself=true"] {
            assert!(!flag_in_any_case(&request(query), "allButSelf"), "{query}");
        }
        let page = page_in_any_case(&request("LIMIT=5&Offset=7&limit=9"));
        assert_eq!(page, PageRequest { limit: 5, offset: 7 });
    }

    #[test]
    fn a_page_falls_back_to_its_defaults_field_by_field() {
        for (query, limit, offset) in [
            ("", 50, 0),
            ("limit=0&offset=7", 0, 7),
            ("limit=50", 50, 0),
            ("limit=10&limit=20", 10, 0),
            ("limit=%31%30", 10, 0),
            ("limit=51&offset=3", 50, 3),
            ("limit=-1&offset=-1", 50, 0),
            ("limit=1.0&offset=1e3", 50, 0),
            ("limit=+5&offset=%205", 50, 0),
            ("limit=&offset=", 50, 0),
            ("limit=ten&offset=0x10", 50, 0),
            ("limit=4294967297&offset=9223372036854775807", 50, 9_223_372_036_854_775_807),
            ("limit=99999999999999999999&offset=9223372036854775808", 50, 0),
            ("Limit=5&OFFSET=5", 50, 0),
        ] {
            assert_eq!(page(&request(query)), PageRequest { limit, offset }, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_reading_it_fail(query in "[!-\"$-~]{0,60}") {
            if let Ok(uri) = format!("/x?{query}").parse::<actix_web::http::Uri>() {
                let request = TestRequest::with_uri(&uri.to_string()).to_http_request();
                flag(&request, &["a", ""]);
                prop_assert!(page(&request).limit <= 50);
            }
        }
    }
}
