//! The two questions that Thunderhead is asked: what are your public keys, and what of this token?

use std::fmt;
use std::time::Duration;

use josekit::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

/// How long Thunderhead may take over an answer. It gives up on its own database after 1.5 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 256 * 1024;

/// Thunderhead did not answer, or not in a way that can be understood. The message is for the log.
#[derive(Debug, thiserror::Error)]
#[error("Thunderhead is away: {0}")]
pub struct Away(String);

impl Away {
    /// For this reason.
    pub fn because(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// What Thunderhead says of a live session, as far as it matters here. No field has a default: an answer that lacks
/// one is not understood, rather than taken for a session that may do everything.
#[derive(Clone, Debug, Deserialize)]
pub struct Live {
    /// The user's id.
    pub sub: String,
    /// Which session: the `jti` of its token.
    pub jti: String,
    /// Names of scopes, separated by spaces, or `FULL` for an ordinary session.
    pub scope: String,
}

/// Thunderhead as this service sees it. Tests put another one in its place.
pub trait Thunderhead: Send + Sync {
    /// The public keys (`GET /.well-known/jwks.json`).
    ///
    /// # Errors
    /// [`Away`].
    fn public_keys(&self) -> Result<Vec<Jwk>, Away>;

    /// The state of a session (`POST /introspect`), or nothing where there is no live one.
    ///
    /// # Errors
    /// [`Away`].
    fn introspect(&self, token: &str) -> Result<Option<Live>, Away>;
}

/// The real one. It blocks: call it on a thread that may.
pub struct OverHttp {
    agent: Agent,
    base: String,
    id: String,
    secret: String,
}

impl OverHttp {
    /// Under this URL (without `/api`), with what `thunderhead service create` printed.
    pub fn new(base: &str, id: &str, secret: &str) -> Self {
        // No proxy from the environment, and no redirections: the token and the secret go where they are meant to.
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0).proxy(None);
        Self {
            agent: config.build().into(),
            base: base.trim_end_matches('/').to_owned(),
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }
}

impl Thunderhead for OverHttp {
    fn public_keys(&self) -> Result<Vec<Jwk>, Away> {
        let url = format!("{}/.well-known/jwks.json", self.base);
        let text = text(self.agent.get(&url).call())?;
        let keys = JwkSet::from_bytes(text).map_err(Away::because)?;
        Ok(keys.keys().into_iter().cloned().collect())
    }

    fn introspect(&self, token: &str) -> Result<Option<Live>, Away> {
        let form = [("token", token), ("client_id", &self.id), ("client_secret", &self.secret)];
        live(&text(self.agent.post(format!("{}/introspect", self.base)).send_form(form))?)
    }
}

/// Reads an answer (RFC 7662, section 2.2).
fn live(text: &str) -> Result<Option<Live>, Away> {
    let answer: Value = serde_json::from_str(text).map_err(Away::because)?;
    match answer.get("active") {
        Some(Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => serde_json::from_value(answer).map(Some).map_err(Away::because),
        _ => Err(Away::because("its answer does not say whether the session is active")),
    }
}

/// The body of a 200. Every other status, that of a wrong secret too, says nothing about the caller.
fn text(answer: Result<Response<Body>, ureq::Error>) -> Result<String, Away> {
    let mut answer = answer.map_err(Away::because)?;
    if answer.status() != 200 {
        return Err(Away::because(format_args!("it answered {}", answer.status())));
    }
    answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().map_err(Away::because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lacks_something_is_not_understood() {
        let whole = r#"{"active": true, "sub": "1", "jti": "2", "scope": "FULL", "new": []}"#;
        assert_eq!(live(whole).unwrap().unwrap().scope, "FULL");
        assert!(live(r#"{"active": false}"#).unwrap().is_none());
        for name in ["active", "sub", "jti", "scope"] {
            assert!(live(&whole.replace(name, "other")).is_err(), "{name}");
        }
        for text in
            ["", "{}", "[]", "null", "<html>", &whole.replace("true", "\"true\""), &whole.replace("\"FULL\"", "null")]
        {
            assert!(live(text).is_err(), "{text}");
        }
    }
}
