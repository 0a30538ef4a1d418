//! Where a token is shown, and what the answer says of it.

use serde_json::json;

use thunderhead_system_tests::live::http::{Answer, NoAnswer, Request};

/// What an answer says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeResult {
    Accepted,
    Refused,
    /// Nobody knows: the database is away.
    Unavailable,
    /// There was no right answer.
    Lost,
}

/// A place where tokens are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenCheck {
    Api,
    Legacy,
    Kratos,
    ForwardAuth,
    Introspection,
    /// A service that has the guard ask about each request.
    Guard,
    /// An endpoint for staff.
    Staff,
    /// The same in the legacy dialect.
    LegacyStaff,
    /// Where a proxy lets staff alone pass.
    ForwardAuthStaff,
    /// Where a proxy lets nobody pass while the switch `FILE_CREATE` is on.
    FileCreate,
    /// What the switch `ACCOUNT_MODIFY` shuts.
    AccountModify,
    /// What the switch `ACCOUNT_LOGIN` shuts, for nobody in particular.
    Login,
}

impl TokenCheck {
    /// Those that any session opens.
    pub(super) fn of_sessions(kratos: bool) -> Vec<Self> {
        let mut checks = vec![Self::Api, Self::ForwardAuth, Self::Introspection, Self::Guard, Self::Legacy];
        checks.extend(kratos.then_some(Self::Kratos));
        checks
    }

    /// Those that only staff open.
    pub(super) const STAFF: [Self; 3] = [Self::Staff, Self::LegacyStaff, Self::ForwardAuthStaff];

    /// How a token is shown here. The credentials are those of a service that may ask.
    pub(super) fn request(self, token: &str, user: &str, (name, secret): (&str, &str)) -> Request {
        let get = |path: &str| Request::new("GET", path).token(token);
        match self {
            Self::Api => get("/api/users/me"),
            Self::Legacy => get("/api/user/session"),
            Self::Kratos => Request::new("GET", "/auth/sessions/whoami").header("X-Session-Token", token),
            Self::ForwardAuth => get("/forward-auth"),
            Self::Introspection => {
                let form = "application/x-www-form-urlencoded";
                let mut request = Request::new("POST", "/introspect").header("Content-Type", form);
                request.body = Some(format!("token={token}&client_id={name}&client_secret={secret}"));
                request
            }
            Self::Guard => Request::new("GET", "/me").header("Authorization", &format!("Bearer {token}")),
            Self::Staff => get("/api/users?limit=1"),
            Self::LegacyStaff => get(&format!("/api/user/{user}/sessions?limit=1")),
            Self::ForwardAuthStaff => get("/forward-auth?staff=true"),
            Self::FileCreate => get("/forward-auth?switch=FILE_CREATE"),
            Self::AccountModify => {
                Request::new("DELETE", "/api/users/me/sessions").token(token).json(&json!({"ids": []}))
            }
            Self::Login => Request::new("POST", "/api/login").json(&json!({})),
        }
    }

    /// What an answer says.
    ///
    /// # Errors
    /// An answer that is never right, as text.
    pub(super) fn result(self, answer: &Result<Answer, NoAnswer>) -> Result<ProbeResult, String> {
        let answer = answer.as_ref().map_err(ToString::to_string)?;
        let opened = match self {
            Self::ForwardAuth | Self::ForwardAuthStaff | Self::FileCreate => 204,
            // It is looked at, and found empty.
            Self::Login => 400,
            _ => 200,
        };
        match answer.status {
            200 if self == Self::Introspection && answer.member("active") == false => Ok(ProbeResult::Refused),
            status if status == opened => Ok(ProbeResult::Accepted),
            401 | 403 if self != Self::Introspection => Ok(ProbeResult::Refused),
            // A proxy is not told which of the two it is. No fault is made while this check is in use.
            503 if self == Self::FileCreate => Ok(ProbeResult::Refused),
            503 if answer.header("retry-after").is_some() => Ok(ProbeResult::Unavailable),
            503 => Ok(ProbeResult::Refused),
            _ => Err(answer.to_string()),
        }
    }
}
