//! Sessions that are about to be opened, whatever they are opened by.

use std::net::IpAddr;

use thunderhead_domain::device::AgentName;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::session::{Authentication, Dialect, Grant, Method, NewSession, Origin, Session, SessionName};
use thunderhead_domain::user::User;

use crate::environment::Environment;
use crate::sessions::name::{ClientNames, NameMaker};
use crate::tokens::token::PlainToken;
use crate::work::WorkPool;

/// What a request tells of the client that makes it.
#[derive(Clone, Debug)]
pub struct Device {
    /// The API that it speaks.
    pub dialect: Dialect,
    /// Its User-Agent header.
    pub user_agent: Option<String>,
    /// The name that it asks for its session.
    pub session_name: Option<String>,
}

/// The form of the token that a client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// A signed token.
    Signed,
    /// An opaque token, of which the database has the digest.
    Opaque,
}

/// A session with its token.
#[derive(Debug)]
pub struct Issued {
    /// The token, for the client alone.
    pub token: PlainToken,
    /// The session.
    pub session: Session,
    /// Its user.
    pub user: User,
}

/// Makes what is to be stored of new sessions.
pub(crate) struct SessionMaker {
    environment: Environment,
    names: NameMaker,
    policy: SessionPolicy,
}

impl SessionMaker {
    /// `pool` is where the programs of clients are recognised.
    pub(crate) fn new(environment: Environment, pool: WorkPool, policy: SessionPolicy) -> Self {
        Self { environment, names: NameMaker::new(pool), policy }
    }

    /// What a login is called.
    pub(crate) async fn names_for(&self, device: &Device) -> ClientNames {
        self.names.login(device.session_name.as_deref(), device.user_agent.as_deref()).await
    }

    /// What the client of a session is.
    pub(crate) async fn agent_of(&self, session: &Session) -> AgentName {
        self.names.client(session.origin.user_agent.as_deref()).await.agent
    }

    /// A session to be opened now, on the strength of a password just shown, for somebody who is staff or not.
    pub(crate) fn new_session(
        &self,
        device: Device,
        name: SessionName,
        grant: Grant,
        lifetime: i64,
        client_ip: Option<IpAddr>,
        staff: bool,
    ) -> NewSession {
        let (at, limits) = (self.environment.now(), self.policy.of(staff));
        NewSession {
            uuid: SessionUuid(self.environment.new_uuid()),
            opaque: None,
            name,
            grant,
            at,
            expires_at: limits.expiry(grant, at, lifetime),
            origin: Origin {
                dialect: device.dialect,
                client_ip,
                user_agent: device.user_agent.map(|agent| Origin::cut_user_agent(&agent).into()),
            },
            authentications: vec![Authentication { method: Method::Password, at }],
            second_factor_pending: false,
            cap: limits.cap(grant),
            clears: None,
            agent: None,
        }
    }
}
