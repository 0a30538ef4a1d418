//! Who asks for security keys' proofs: the relying party of the WebAuthn standard, as the settings name it.

use url::{Host, Url};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::origin::{InvalidOrigin, normalised};

/// Who asks for proofs, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The domain that keys are bound to. Whoever changes it makes all registered keys useless.
    pub id: String,
    /// What people are shown.
    pub name: String,
    /// The origins of the pages where keys may be used: exactly these, at the id or below it.
    pub origins: Vec<String>,
    /// Others, which are not, and where they may be used as well: browsers look here whether they may (WebAuthn level 3,
    /// section 5.11).
    pub related_origins: Vec<String>,
}

/// A relying party that no browser would work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRelyingParty {
    /// The id is no domain.
    #[error("expected a domain in small letters such as example.com, or localhost; not {0:?}")]
    Id(String),
    /// The name is empty, too long, or holds what cannot be shown.
    #[error("expected 1 to 64 characters, none of them a colon or a control character")]
    Name,
    /// There is no origin.
    #[error("expected at least one origin such as https://login.example.com")]
    NoOrigin,
    /// What should be an origin is none.
    #[error(transparent)]
    Origin(#[from] InvalidOrigin),
    /// An origin without TLS.
    #[error("browsers offer no security keys at {0:?}: only https works, or http at localhost")]
    OriginInsecure(String),
    /// A related origin without TLS.
    #[error("browsers offer no passkeys at {0:?}: only https works, or http at localhost")]
    RelatedOriginInsecure(String),
    /// What should be a related origin is none.
    #[error(transparent)]
    RelatedOrigin(InvalidOrigin),
    /// An origin elsewhere.
    #[error("the origin {origin:?} is neither at the relying party's id {id:?} nor below it")]
    OriginElsewhere {
        /// The origin.
        origin: String,
        /// The id.
        id: String,
    },
}

impl InvalidRelyingParty {
    /// The setting that is at fault.
    pub const fn setting(&self) -> &'static str {
        match self {
            Self::Id(_) => "relying_party.id",
            Self::Name => "relying_party.name",
            Self::NoOrigin | Self::Origin(_) | Self::OriginInsecure(_) | Self::OriginElsewhere { .. } => {
                "relying_party.origins"
            }
            Self::RelatedOriginInsecure(_) | Self::RelatedOrigin(_) => "relying_party.related_origins",
        }
    }
}

impl RelyingParty {
    /// The ceremonies of this relying party, if browsers can carry them out, and its origins as browsers write them.
    pub(super) fn check(&self) -> Result<(Webauthn, CheckedOrigins), InvalidRelyingParty> {
        if !matches!(Host::parse(&self.id), Ok(Host::Domain(domain)) if domain == self.id) {
            return Err(InvalidRelyingParty::Id(self.id.clone()));
        }
        let shown = |character: char| character != ':' && !character.is_control();
        if !(1..=64).contains(&self.name.chars().count()) || !self.name.chars().all(shown) {
            return Err(InvalidRelyingParty::Name);
        }
        let origins = self.origins.iter().map(|origin| self.origin(origin)).collect::<Result<Vec<_>, _>>()?;
        let (first, others) = origins.split_first().ok_or(InvalidRelyingParty::NoOrigin)?;
        let builder = WebauthnBuilder::new(&self.id, first)
            .map_err(|_| InvalidRelyingParty::OriginElsewhere { origin: first.to_string(), id: self.id.clone() })?;
        let builder = builder
            .rp_name(&self.name)
            .allow_subdomains(false)
            .allow_any_port(false)
            .danger_set_user_presence_only_security_keys(true);
        let related =
            self.related_origins.iter().map(|origin| related_origin(origin)).collect::<Result<Vec<_>, _>>()?;
        let builder = others.iter().chain(&related).fold(builder, WebauthnBuilder::append_allowed_origin);
        // What can be wrong was found above.
        let webauthn = builder.build().map_err(|_| InvalidRelyingParty::Id(self.id.clone()))?;
        let texts = |urls: &[Url]| urls.iter().map(|url| url.origin().ascii_serialization()).collect();
        Ok((webauthn, CheckedOrigins { own: texts(&origins), related: texts(&related) }))
    }

    fn origin(&self, text: &str) -> Result<Url, InvalidRelyingParty> {
        let origin = normalised(text)?;
        let url = Url::parse(&origin).map_err(|_| InvalidOrigin::NotOne(text.to_owned()))?;
        let host = url.host_str().unwrap_or_default();
        if host != self.id && !host.strip_suffix(&self.id).is_some_and(|rest| rest.ends_with('.')) {
            return Err(InvalidRelyingParty::OriginElsewhere { origin: text.to_owned(), id: self.id.clone() });
        }
        if is_secure(&url) { Ok(url) } else { Err(InvalidRelyingParty::OriginInsecure(text.to_owned())) }
    }
}

/// Origins as browsers write them.
pub(super) struct CheckedOrigins {
    pub(super) own: Vec<String>,
    pub(super) related: Vec<String>,
}

fn related_origin(text: &str) -> Result<Url, InvalidRelyingParty> {
    let origin = normalised(text).map_err(InvalidRelyingParty::RelatedOrigin)?;
    let not_one = |_| InvalidRelyingParty::RelatedOrigin(InvalidOrigin::NotOne(text.to_owned()));
    let url = Url::parse(&origin).map_err(not_one)?;
    if is_secure(&url) { Ok(url) } else { Err(InvalidRelyingParty::RelatedOriginInsecure(text.to_owned())) }
}

fn is_secure(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_local = host == "localhost" || host.ends_with(".localhost");
    url.scheme() == "https" || (url.scheme() == "http" && is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(id: &str, name: &str, origins: Vec<String>) -> RelyingParty {
        RelyingParty { id: id.to_owned(), name: name.to_owned(), origins, related_origins: vec![] }
    }

    fn checked(id: &str, origins: &[&str]) -> Result<(), InvalidRelyingParty> {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        party(id, "Thunderhead", origins).check().map(drop)
    }

    #[test]
    fn origins_at_the_id_and_below_it_are_good() {
        assert_eq!(checked("localhost", &["http://localhost:8000", "https://localhost"]), Ok(()));
        assert_eq!(checked("example.com", &["https://example.com", "https://a.b.example.com:8443"]), Ok(()));
        assert_eq!(checked("app.localhost", &["http://app.localhost:1"]), Ok(()));
        let origins = ["https://example.com/", "https://example.com:443", "https://EXAMPLE.com"].map(str::to_owned);
        let party = party("example.com", "x", origins.to_vec());
        assert_eq!(party.check().unwrap().1.own, ["https://example.com"; 3], "as browsers write them");
    }

    #[test]
    fn what_no_browser_would_take_is_refused_by_the_setting_at_fault() {
        for id in
            ["", "Example.com", "https://example.com", "127.0.0.1", "[::1]", "exämple.com", "a b", "example.com:1"]
        {
            let refused = checked(id, &["https://example.com"]).unwrap_err();
            assert_eq!((&refused, refused.setting()), (&InvalidRelyingParty::Id(id.to_owned()), "relying_party.id"));
        }
        for origin in ["https://badexample.com", "https://example.com.evil.org", "https://127.0.0.1", "https://com"] {
            let refused = checked("example.com", &["https://example.com", origin]).unwrap_err();
            assert!(
                matches!(&refused, InvalidRelyingParty::OriginElsewhere { origin: at, .. } if at == origin),
                "{refused}"
            );
            assert_eq!(refused.setting(), "relying_party.origins");
        }
        for origin in ["https://example.com/x", "example.com", "https://u@example.com", "null"] {
            let refused = checked("example.com", &[origin]).unwrap_err();
            assert!(matches!(refused, InvalidRelyingParty::Origin(_)), "{origin}: {refused}");
            assert_eq!(refused.setting(), "relying_party.origins");
        }
        for origin in ["http://example.com", "ftp://example.com"] {
            assert_eq!(checked("example.com", &[origin]), Err(InvalidRelyingParty::OriginInsecure(origin.to_owned())));
        }
        assert_eq!(checked("example.com", &[]), Err(InvalidRelyingParty::NoOrigin));
    }

    #[test]
    fn a_name_must_be_one_that_can_be_shown() {
        for name in ["", "a\nb", "a:b", &"x".repeat(65)] {
            let origins = vec!["http://localhost".to_owned()];
            let refused = party("localhost", name, origins).check().map(drop);
            assert_eq!(refused.unwrap_err(), InvalidRelyingParty::Name, "{name:?}");
        }
    }

    #[test]
    fn related_origins_lie_anywhere_and_are_secure() {
        let with = |related: &str| {
            let own = party("example.com", "x", vec!["https://example.com".to_owned()]);
            RelyingParty { related_origins: vec![related.to_owned()], ..own }.check()
        };
        assert_eq!(with("https://EXAMPLE.de/").unwrap().1.related, ["https://example.de"]);
        assert!(with("http://localhost:8000").is_ok());
        for related in ["http://example.de", "https://example.de/x", "example.de", "null"] {
            let refused = with(related).map(drop).unwrap_err();
            assert_eq!(refused.setting(), "relying_party.related_origins", "{related}: {refused}");
        }
    }
}
