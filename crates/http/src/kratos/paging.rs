//! Pages of lists: `page_size` with `page_token`, or `page` with `per_page`, and what `Link` and `X-Total-RevokedCount`
//! say of them (`docs/API-KRATOS.md`).

use actix_web::http::header::{HeaderName, HeaderValue, LINK};
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_domain::ports::{PageStart, SessionCursor};
use thunderhead_domain::session::Session;

use crate::kratos::error::KratosError;
use crate::request::query::texts;

const X_TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Items of a page, where nothing is said.
const DEFAULT_SIZE: u32 = 250;
/// The most items of a page.
const LARGEST_SIZE: u32 = 1_000;

/// The parameters that say which page, in contrast to what is listed.
const PARAMETERS: [&str; 4] = ["page", "per_page", "page_size", "page_token"];

/// Which page of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    size: u32,
    /// The number of the page, where pages are numbered: from 1 on.
    page: Option<u64>,
    token: Option<SessionCursor>,
}

impl Paging {
    /// What the query asks for. A size that cannot be read is the default, one that is too large the largest.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, KratosError> {
        let first = |name| texts(request, name).into_iter().next();
        let number = |name| first(name).and_then(|text| plain_number(&text)).filter(|number| *number > 0);
        let numbered = first("page_size").is_none() && (first("page").is_some() || first("per_page").is_some());
        let size = if numbered { number("per_page") } else { number("page_size") };
        let token = match first("page_token").filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| KratosError::Malformed("page_token", "one of a Link"))?),
        };
        Ok(Self {
            size: size.map_or(DEFAULT_SIZE, |size| u32::try_from(size).unwrap_or(u32::MAX).min(LARGEST_SIZE)),
            page: numbered.then(|| number("page").unwrap_or(1)),
            token,
        })
    }

    /// Where the page begins. A token wins over a number: it names the same place whatever is added or ended.
    pub(super) fn start(&self) -> PageStart {
        match (self.token, self.page) {
            (Some(cursor), _) => PageStart::After(cursor),
            (None, Some(page)) => PageStart::Skip((page - 1).saturating_mul(u64::from(self.size))),
            (None, None) => PageStart::Skip(0),
        }
    }

    /// How many rows to read: one more than are shown tells whether there is a next page.
    pub(super) const fn limit(&self) -> u32 {
        self.size + 1
    }

    /// Cuts what was read to the page, and says in the headers where the others are. `count` is of all pages, where
    /// somebody counted: nobody knows the last one otherwise.
    pub(super) fn turn<T>(
        &self,
        request: &HttpRequest,
        rows: &mut Vec<T>,
        session: impl Fn(&T) -> &Session,
        count: Option<u64>,
    ) -> Links {
        let size = self.size as usize;
        let next = (rows.len() > size).then(|| rows.truncate(size)).and_then(|()| rows.last());
        let next = next.map(|last| SessionCursor::from(session(last)).to_string());
        Links { text: self.links(request, next.as_deref(), count), count }
    }

    fn links(&self, request: &HttpRequest, next: Option<&str>, count: Option<u64>) -> String {
        let size = u64::from(self.size);
        let Some(page) = self.page else {
            let to = |token| link(request, &[("page_size", Some(size.to_string())), ("page_token", token)]);
            let next = next.map(|token| (to(Some(token.to_owned())), "next"));
            return joined([Some((to(None), "first")), next]);
        };
        let last = count.map(|count| count.div_ceil(size).max(1));
        let to = |page: u64, token: Option<&str>| {
            let parameters = [
                ("page", Some(page.to_string())),
                ("per_page", Some(size.to_string())),
                ("page_token", token.map(str::to_owned)),
            ];
            link(request, &parameters)
        };
        joined([
            Some((to(1, None), "first")),
            next.map(|token| (to(page.saturating_add(1), Some(token)), "next")),
            (page > 1).then(|| (to((page - 1).min(last.unwrap_or(u64::MAX)), None), "prev")),
            last.map(|last| (to(last, None), "last")),
        ])
    }
}

/// What the headers of a page say.
pub(super) struct Links {
    text: String,
    count: Option<u64>,
}

impl Links {
    pub(super) fn write(self, mut response: HttpResponse) -> HttpResponse {
        let headers = response.headers_mut();
        if let Some(count) = self.count {
            headers.insert(X_TOTAL_COUNT, count.into());
        }
        if let Ok(text) = HeaderValue::from_str(&self.text) {
            headers.insert(LINK, text);
        }
        response
    }
}

fn plain_number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The same list at another page: what is listed stays as it was asked for.
fn link(request: &HttpRequest, parameters: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        if !PARAMETERS.contains(&name.as_ref()) {
            query.append_pair(&name, &value);
        }
    }
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("{}?{}", request.path(), query.finish())
}

/// A `Link` header (RFC 8288).
fn joined<const N: usize>(links: [Option<(String, &str)>; N]) -> String {
    let links = links.into_iter().flatten();
    links.map(|(url, relation)| format!("<{url}>; rel=\"{relation}\"")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(query: &str) -> HttpRequest {
        TestRequest::with_uri(&format!("/auth/sessions?{query}")).to_http_request()
    }

    const TOKEN: &str = "1767225600123.1767225600.6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20";

    #[test]
    fn a_token_is_a_place_in_the_list() {
        let paging = Paging::of(&request(&format!("page_token={TOKEN}"))).unwrap();
        assert_eq!(paging.token.map(|place| place.to_string()).as_deref(), Some(TOKEN));
        for bad in ["x", "1.2", "1.2.3", &format!("{TOKEN}.1"), "1..2"] {
            assert!(Paging::of(&request(&format!("page_token={bad}"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_numbers_fall_back_to_their_defaults() {
        for (query, size, page) in [
            ("", 250, None),
            ("page_size=7", 7, None),
            ("page_size=0", 250, None),
            ("page_size=1001", 1_000, None),
            ("page_size=99999999999", 1_000, None),
            ("page_size=x&page=3", 250, None),
            ("page=3", 250, Some(3)),
            ("per_page=5", 5, Some(1)),
            ("page=0&per_page=5", 5, Some(1)),
        ] {
            let paging = Paging::of(&request(query)).unwrap();
            assert_eq!((paging.size, paging.page), (size, page), "{query}");
        }
    }

    #[test]
    fn links_keep_what_is_listed_and_name_the_pages_that_there_are() {
        let asked = request("active=true&page=2&per_page=5");
        let links = Paging::of(&asked).unwrap().links(&asked, Some("t"), Some(12));
        assert_eq!(
            links,
            "</auth/sessions?active=true&page=1&per_page=5>; rel=\"first\",\
             </auth/sessions?active=true&page=3&per_page=5&page_token=t>; rel=\"next\",\
             </auth/sessions?active=true&page=1&per_page=5>; rel=\"prev\",\
             </auth/sessions?active=true&page=3&per_page=5>; rel=\"last\""
        );
        let asked = request("page=4&per_page=5");
        assert_eq!(
            Paging::of(&asked).unwrap().links(&asked, None, None),
            "</auth/sessions?page=1&per_page=5>; rel=\"first\",</auth/sessions?page=3&per_page=5>; rel=\"prev\"",
            "nobody counted"
        );
        let asked = request("expand=devices&page_token=");
        let links = Paging::of(&asked).unwrap().links(&asked, None, Some(12));
        assert_eq!(links, "</auth/sessions?expand=devices&page_size=250>; rel=\"first\"");
    }
}
