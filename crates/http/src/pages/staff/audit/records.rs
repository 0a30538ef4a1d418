//! Records of the audit trail in a table.

use std::collections::BTreeMap;

use maud::{Markup, html};
use thunderhead_domain::audit::AuditRecord;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::Actor;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::pages::error::PageError;
use crate::pages::layout;
use crate::pages::staff::places::{address_link, user_path};
use crate::pages::staff::words;
use crate::pages::words::{NEW_DEVICE, time};

/// The users that records name, as far as they are still there.
pub(in crate::pages::staff) struct UserNames(BTreeMap<UserId, User>);

impl UserNames {
    pub(in crate::pages::staff) async fn of(
        call: &Call,
        staff: &StaffPrincipal,
        users: impl Iterator<Item = UserId>,
    ) -> Result<Self, PageError> {
        Self::beside(call, staff, users, []).await
    }

    /// The same where some are known, of whom the database is not asked. The member of staff that looks is.
    async fn beside<const N: usize>(
        call: &Call,
        staff: &StaffPrincipal,
        users: impl Iterator<Item = UserId>,
        known: [&User; N],
    ) -> Result<Self, PageError> {
        let known = known.into_iter().chain([staff.principal().user()]);
        let mut names: BTreeMap<_, _> = known.map(|user| (user.id, user.clone())).collect();
        let others: Vec<_> = users.filter(|user| !names.contains_key(user)).collect();
        if !others.is_empty() {
            names.extend(call.auth().search.named(staff, &others).await?);
        }
        Ok(Self(names))
    }

    pub(in crate::pages::staff) async fn of_records(
        call: &Call,
        staff: &StaffPrincipal,
        records: &[AuditRecord],
    ) -> Result<Self, PageError> {
        Self::of(call, staff, records.iter().flat_map(named)).await
    }

    /// The same of one user's records.
    pub(in crate::pages::staff) async fn of_records_beside(
        call: &Call,
        staff: &StaffPrincipal,
        records: &[AuditRecord],
        user: &User,
    ) -> Result<Self, PageError> {
        Self::beside(call, staff, records.iter().flat_map(named), [user]).await
    }

    /// The name of a user who is still there.
    pub(super) fn name(&self, user: UserId) -> Option<&str> {
        self.0.get(&user).map(|user| user.username.as_str())
    }

    /// Leads to a user; one who is gone has an id alone.
    pub(in crate::pages::staff) fn link(&self, user: UserId) -> Markup {
        match self.name(user) {
            Some(name) => html! { a href=(user_path(user)) { (name) } },
            None => html! { a href={ "/staff/audit?user=" (user) } { (user) } " (gone)" },
        }
    }
}

/// The users that a record names.
pub(super) fn named(record: &AuditRecord) -> impl Iterator<Item = UserId> + use<> {
    [record.user, words::nobody(record.action.by).ok()].into_iter().flatten()
}

pub(in crate::pages::staff) fn table(
    caption: &str,
    records: &[AuditRecord],
    names: &UserNames,
    now: Timestamp,
) -> Markup {
    if records.is_empty() {
        return html! { p.empty { "Nothing is recorded." } };
    }
    let by = |actor: Actor| match words::nobody(actor) {
        Ok(user) => names.link(user),
        Err(nobody) => html! { (nobody) },
    };
    let row = |record: &AuditRecord| {
        let detail = words::detail(record);
        vec![
            html! {
                span.name { (words::kind(record.kind)) }
                @if record.new_device { " " span.tag { (NEW_DEVICE) } }
                @if !detail.is_empty() { small { (detail) } }
            },
            html! { @match record.user { Some(user) => (names.link(user)), None => "–" } },
            by(record.action.by),
            address_link(record.action.client_ip),
            html! {
                @match record.session {
                    Some(uuid) => a.mono href={ "/staff/search?q=" (uuid) } { (uuid.to_string()[..8]) "…" },
                    None => "–",
                }
            },
            time(record.action.at, now),
        ]
    };
    let columns = ["What", "To", "By", "From", "Session", "When"];
    layout::brief_table(caption, &columns, &records.iter().map(row).collect::<Vec<_>>())
}
