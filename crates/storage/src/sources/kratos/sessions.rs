//! Sessions of an identity. A session that has expired still says that it is active.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::import::{Remark, SourceSecret, SourceSession, SourceToken};
use thunderhead_domain::session::{Authentication, Dialect, Method, Origin};
use thunderhead_domain::time::Timestamp;

use super::super::moment;
use super::rows::KratosSessionRow;

#[derive(Deserialize)]
struct Shown {
    method: String,
    aal: Option<String>,
    completed_at: Option<String>,
}

/// A session that is not over at `now`; or why there is none of a row.
///
/// Its row does not tell whether an app or a browser has it. That of a browser has a token as well, which nobody was ever
/// given.
pub(super) fn live(row: KratosSessionRow, now: Timestamp) -> Result<Option<SourceSession>, Remark> {
    let unreadable = |why: &str| Remark::SessionLeftOut { id: row.id.clone(), why: why.to_owned() };
    let moment_of = |text: &str| moment::parse(text).ok_or_else(|| unreadable("its dates are none"));
    let uuid = row.id.parse().map_err(|_| unreadable("its id is no UUID"))?;
    let (issued_at, expires_at) = (moment_of(&row.issued_at)?, moment_of(&row.expires_at)?);
    let updated_at = moment_of(&row.updated_at)?;
    if expires_at <= now {
        return Ok(None);
    }
    let shown: Vec<Shown> = serde_json::from_str(&row.methods).unwrap_or_default();
    let authentication = |shown: Shown| {
        let at = shown.completed_at.as_deref().and_then(moment::parse).unwrap_or(issued_at);
        Some(Authentication { method: method(&shown)?, at })
    };
    let token = match row.token.filter(|token| !token.is_empty()) {
        Some(token) => SourceToken::Opaque(SourceSecret(token)),
        None => SourceToken::Lost,
    };
    Ok(Some(SourceSession {
        uuid: Some(SessionUuid(uuid)),
        source_id: row.id,
        id: None,
        token,
        name: String::new(),
        flags: None,
        expires_at,
        created_at: issued_at,
        updated_at,
        used_at: moment::parse(&row.authenticated_at),
        origin: Origin {
            dialect: Dialect::Kratos,
            client_ip: row.ip_address.as_deref().and_then(address),
            user_agent: row.user_agent.filter(|text| !text.is_empty()).map(|text| Origin::cut_user_agent(&text).into()),
        },
        authentications: shown.into_iter().filter_map(authentication).collect(),
        second_factor_pending: false,
    }))
}

/// What somebody has shown; `None` for what there is no word for here: codes by mail, other providers.
///
/// A security key that stood for the password was no second factor.
fn method(shown: &Shown) -> Option<Method> {
    let method = Method::from_name(&shown.method)?;
    (!method.is_second_factor() || shown.aal.as_deref() == Some("aal2")).then_some(method)
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| text.parse()).ok()
}
