//! Origins in the one form that browsers write them in (RFC 6454), from whatever form an operator writes.

use url::{Origin, Url};

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// It is something else.
    #[error(
        "{0:?} is not an origin: expected a scheme and a host, as in https://app.example.org or http://localhost:3000"
    )]
    NotOne(String),
    /// It has a path, a query or a fragment besides.
    #[error("{given:?} is more than an origin: write {origin:?}")]
    More {
        /// What was given.
        given: String,
        /// The origin in it.
        origin: String,
    },
}

/// An origin as browsers write it: in small letters, without the scheme's own port and without a slash at its end; what
/// is not of ASCII in a domain as IDNA puts it.
///
/// # Errors
/// Where the text is none, or more than that; a wildcard is none.
pub fn normalised(text: &str) -> Result<String, InvalidOrigin> {
    let not_one = || InvalidOrigin::NotOne(text.to_owned());
    // Parsers of URLs are lenient with these.
    let odd = |character: char| character.is_whitespace() || character.is_control() || "*,\\@".contains(character);
    let begins_well = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    if !begins_well || text.contains(odd) {
        return Err(not_one());
    }
    let url = Url::parse(text).map_err(|_| not_one())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_one)?;
    let origin = match url.origin() {
        origin @ Origin::Tuple(..) => origin.ascii_serialization(),
        // Of an application's own scheme, such as tauri://localhost.
        Origin::Opaque(_) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), host.to_ascii_lowercase())
        }
    };
    if matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() {
        Ok(origin)
    } else {
        Err(InvalidOrigin::More { given: text.to_owned(), origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_origin_becomes_that_of_browsers() {
        for (text, expected) in [
            ("https://app.example.org", "https://app.example.org"),
            ("https://app.example.org:443", "https://app.example.org"),
            ("https://app.example.org:0443/", "https://app.example.org"),
            ("HTTPS://App.Example.ORG/", "https://app.example.org"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:443", "http://localhost:443"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("tauri://LocalHost", "tauri://localhost"),
            ("capacitor://localhost:8100/", "capacitor://localhost:8100"),
        ] {
            assert_eq!(normalised(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_more_than_an_origin_is_refused_with_the_origin_in_it() {
        for text in
            ["https://App.example:443/x", "https://app.example?x", "https://app.example/#x", "https://app.example//"]
        {
            let refused = normalised(text).unwrap_err();
            assert_eq!(refused.to_string(), format!("{text:?} is more than an origin: write \"https://app.example\""));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https:///app.example",
            "https:app.example",
            "https:\\\\app.example",
            "https://*.example",
            "https://me@app.example",
            "https://app.example, https://b.example",
            "https://app.example,https://b.example",
            " https://app.example",
            "https://app.exam\tple",
            "https://app.example:99999",
            "file:///x",
        ] {
            assert_eq!(normalised(text), Err(InvalidOrigin::NotOne(text.to_owned())));
        }
    }
}
