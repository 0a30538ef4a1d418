//! One-time links as rows.

use diesel::prelude::*;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::link::NewLink;

use crate::schema::one_time_links;
use crate::text;

#[derive(Insertable)]
#[diesel(table_name = one_time_links)]
pub(crate) struct NewLinkRow {
    digest: Vec<u8>,
    user_id: i64,
    credential_version: i64,
    made_by: String,
    created_at: i64,
    expires_at: i64,
}

impl NewLinkRow {
    pub(crate) fn new(link: &NewLink, credential_version: i64, action: &ActionContext) -> Self {
        Self {
            digest: link.digest.0.to_vec(),
            user_id: link.user.number(),
            credential_version,
            made_by: text::actor_text(action.by),
            created_at: action.at.unix_millis(),
            expires_at: link.expires_at.unix_millis(),
        }
    }
}

/// One that nobody can use any more.
#[derive(Queryable, Selectable)]
#[diesel(table_name = one_time_links)]
pub(crate) struct ExpiredLinkRow {
    pub(crate) digest: Vec<u8>,
    pub(crate) user_id: i64,
    pub(crate) made_by: String,
    pub(crate) expires_at: i64,
    pub(crate) used_at: Option<i64>,
}
