//! The endpoints of second factors: one's own under `/users/me/2fa`, those of others under `/users/{uid}/2fa` for
//! staff.

pub(crate) mod backup;
pub(crate) mod docs;
pub(crate) mod list;
pub(crate) mod passkey;
pub(crate) mod remove;
pub(crate) mod show;
pub(crate) mod totp;
pub(crate) mod webauthn;

use thunderhead_domain::factor::{FactorId, OtherSessions};

use crate::access::call::Call;

/// What is to become of the caller's other sessions.
fn others(call: &Call) -> OtherSessions {
    OtherSessions::end_if(call.flag(&["end-others"]))
}

/// The factor that the path names.
fn factor_id(call: &Call) -> Option<FactorId> {
    call.path("fid").parse().ok()
}
