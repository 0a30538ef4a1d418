//! A session and its user, where a test or a benchmark is about neither: an ordinary one, which lives for a minute.

use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::session::{Dialect, Grant, Origin, PolicyBounds, Session, SessionName, State};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, User, Username};
use uuid::Uuid;

/// A session that a user opened at this moment.
pub fn session(user: UserId, at: Timestamp) -> Session {
    Session {
        uuid: SessionUuid(Uuid::from_u128(7)),
        id: SessionId::at(at),
        user,
        name: SessionName::unnamed(),
        grant: Grant::Full,
        expires_at: at.plus_seconds(60),
        used_at: None,
        created_at: at,
        updated_at: at,
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: Default::default(),
        second_factor_pending: false,
        state: State::Open,
        bounds: PolicyBounds::default(),
    }
}

/// The same with its user.
pub fn authenticated(user: UserId, at: Timestamp) -> AuthenticatedSession {
    let session = session(user, at);
    let user = User {
        id: user,
        uuid: UserUuid(Uuid::from_u128(8)),
        username: Username::try_from("ada".to_owned()).expect("a good name"),
        email: EmailAddress::from_checked("ada@example.org".to_owned()),
        staff: false,
        has_second_factor: false,
        has_password: true,
        verified_at: None,
        banned_at: None,
        created_at: at,
        updated_at: at,
    };
    AuthenticatedSession { session, user }
}
