//! Rows of Kratos' tables, every column as text.

use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Nullable, Text};

/// An id.
#[derive(QueryableByName)]
pub(super) struct KeyRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
}

#[derive(QueryableByName)]
pub(super) struct IdentityRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Text)]
    pub(super) traits: String,
    #[diesel(sql_type = Text)]
    pub(super) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) state_changed_at: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) created_at: String,
    #[diesel(sql_type = Text)]
    pub(super) updated_at: String,
}

#[derive(QueryableByName)]
pub(super) struct CredentialRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Text)]
    pub(super) identity_id: String,
    #[diesel(sql_type = Text)]
    pub(super) kind: String,
    #[diesel(sql_type = Text)]
    pub(super) config: String,
    #[diesel(sql_type = Text)]
    pub(super) created_at: String,
    #[diesel(sql_type = Text)]
    pub(super) updated_at: String,
}

/// An e-mail address that was verified.
#[derive(QueryableByName)]
pub(super) struct AddressRow {
    #[diesel(sql_type = Text)]
    pub(super) identity_id: String,
    #[diesel(sql_type = Text)]
    pub(super) address: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) verified_at: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) updated_at: String,
}

#[derive(QueryableByName)]
pub(super) struct KratosSessionRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) token: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) methods: String,
    #[diesel(sql_type = Text)]
    pub(super) expires_at: String,
    #[diesel(sql_type = Text)]
    pub(super) issued_at: String,
    #[diesel(sql_type = Text)]
    pub(super) authenticated_at: String,
    #[diesel(sql_type = Text)]
    pub(super) updated_at: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) ip_address: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) user_agent: Option<String>,
}
