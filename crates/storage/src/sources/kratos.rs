//! The database of Ory Kratos, versions 1 and 26: identities, what lets them in, and their sessions. Only columns that all
//! of these have are read, as text, because the two engines have other types for them.

mod credentials;
mod rows;
mod sessions;
mod traits;

use std::collections::{HashMap, VecDeque};

use thunderhead_domain::id::UserUuid;
use thunderhead_domain::import::{
    AccountSource, LeftOut, Remark, SourceAccount, SourceError, SourceItem, SourceNames, SourceSession,
};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use self::credentials::Credentials;
use self::rows::{AddressRow, CredentialRow, IdentityRow, KeyRow, KratosSessionRow};
pub use self::traits::{InvalidTraitPath, TraitPath};
use super::moment;
use super::reader::SourceReader;
use crate::url::DatabaseUrl;

/// Identities that are read together.
const IDENTITIES: usize = 200;
/// Sessions that are read together.
const SESSIONS: usize = 2_000;

/// A session, or why its row is none.
type ReadSession = Result<SourceSession, Remark>;

/// Kratos' identities, the oldest first.
pub struct KratosSource {
    reader: SourceReader,
    username: TraitPath,
    email: TraitPath,
    now: Timestamp,
    /// The ids of those that are still to be read: 16 bytes for each, the youngest first.
    left: Option<Vec<Uuid>>,
    ready: VecDeque<SourceItem>,
    /// Who has more sessions than were read: the next of theirs is the one after this id.
    more: Option<(Box<SourceAccount>, String)>,
}

impl KratosSource {
    /// Begins to read. `username` and `email` say where in the traits name and address are; sessions that are over at `now`
    /// are left out.
    ///
    /// # Errors
    /// Where the database cannot be opened, or is not that of Kratos.
    pub fn open(url: &DatabaseUrl, username: TraitPath, email: TraitPath, now: Timestamp) -> Result<Self, SourceError> {
        let mut reader = SourceReader::open(url)?;
        let is_kratos = "SELECT CAST(count(*) AS TEXT) AS id FROM identity_credential_types WHERE name = 'password'";
        let found: Vec<KeyRow> = reader
            .load(is_kratos)
            .map_err(|error| SourceError::Unfit(format!("is not the database of Kratos: {error}")))?;
        if found.first().is_none_or(|row| row.id == "0") {
            return Err(SourceError::Unfit("is not the database of Kratos".to_owned()));
        }
        Ok(Self { reader, username, email, now, left: None, ready: VecDeque::new(), more: None })
    }

    /// The ids of all identities, the youngest first.
    fn ids(&mut self) -> Result<Vec<Uuid>, SourceError> {
        let all = "SELECT CAST(id AS TEXT) AS id FROM identities ORDER BY created_at DESC, id DESC";
        let rows: Vec<KeyRow> = self.reader.load(all)?;
        Ok(rows.into_iter().filter_map(|row| row.id.parse().ok()).collect())
    }

    fn identities(&mut self, ids: &[Uuid]) -> Result<Vec<IdentityRow>, SourceError> {
        let mut rows: Vec<IdentityRow> = self.reader.load(&format!(
            "SELECT CAST(id AS TEXT) AS id, CAST(traits AS TEXT) AS traits, CAST(state AS TEXT) AS state, \
             CAST(state_changed_at AS TEXT) AS state_changed_at, CAST(created_at AS TEXT) AS created_at, \
             CAST(updated_at AS TEXT) AS updated_at FROM identities WHERE id IN ({})",
            list(ids)
        ))?;
        let places: HashMap<String, usize> =
            ids.iter().enumerate().map(|(place, id)| (id.hyphenated().to_string(), place)).collect();
        rows.sort_by_key(|row| places.get(&row.id).copied());
        Ok(rows)
    }

    /// Reads the next identities with all that belongs to them.
    fn read_on(&mut self) -> Result<bool, SourceError> {
        let mut left = match self.left.take() {
            Some(left) => left,
            None => self.ids()?,
        };
        let ids: Vec<Uuid> = left.split_off(left.len().saturating_sub(IDENTITIES)).into_iter().rev().collect();
        self.left = Some(left);
        if ids.is_empty() {
            return Ok(false);
        }
        let among = list(&ids);
        let mut credentials: HashMap<String, Vec<CredentialRow>> = HashMap::new();
        for row in self.reader.load::<CredentialRow>(&format!(
            "SELECT CAST(c.id AS TEXT) AS id, CAST(c.identity_id AS TEXT) AS identity_id, t.name AS kind, \
             CAST(c.config AS TEXT) AS config, CAST(c.created_at AS TEXT) AS created_at, \
             CAST(c.updated_at AS TEXT) AS updated_at FROM identity_credentials c \
             JOIN identity_credential_types t ON t.id = c.identity_credential_type_id \
             WHERE c.identity_id IN ({among}) ORDER BY c.created_at, c.id"
        ))? {
            credentials.entry(row.identity_id.clone()).or_default().push(row);
        }
        let mut addresses: HashMap<String, Vec<AddressRow>> = HashMap::new();
        for row in self.reader.load::<AddressRow>(&format!(
            "SELECT CAST(identity_id AS TEXT) AS identity_id, value AS address, \
             CAST(verified_at AS TEXT) AS verified_at, CAST(updated_at AS TEXT) AS updated_at \
             FROM identity_verifiable_addresses WHERE verified AND via = 'email' AND identity_id IN ({among})"
        ))? {
            addresses.entry(row.identity_id.clone()).or_default().push(row);
        }
        for row in self.identities(&ids)? {
            let own = credentials.remove(&row.id).unwrap_or_default();
            let verified = addresses.remove(&row.id).unwrap_or_default();
            let item = match self.account(&row, own, &verified) {
                Ok(account) => SourceItem::Account(Box::new(account)),
                Err(why) => SourceItem::Unreadable { who: row.id.clone(), why },
            };
            self.ready.push_back(item);
        }
        Ok(true)
    }

    fn account(
        &self,
        row: &IdentityRow,
        credentials: Vec<CredentialRow>,
        verified: &[AddressRow],
    ) -> Result<SourceAccount, LeftOut> {
        let unreadable = |what: &str| LeftOut::Unreadable(what.to_owned());
        let uuid = row.id.parse().map_err(|_| unreadable("its id is no UUID"))?;
        let moment_of = |text: &str| moment::parse(text).ok_or_else(|| unreadable("its dates are none"));
        let (created_at, updated_at) = (moment_of(&row.created_at)?, moment_of(&row.updated_at)?);
        let traits = serde_json::from_str(&row.traits).map_err(|_| unreadable("its traits are no JSON"))?;
        let names = traits::names(&traits, &self.username, &self.email)?;
        let address = names.email.to_lowercase();
        let verified = verified.iter().find(|row| row.address.to_lowercase() == address);
        let verified_at = verified.map(|row| row.verified_at.as_deref().unwrap_or(&row.updated_at));
        let changed = row.state_changed_at.as_deref().and_then(moment::parse).unwrap_or(updated_at);
        let Credentials { password, factors, codes, remarks } = credentials::read(&row.id, credentials);
        Ok(SourceAccount {
            source_id: row.id.clone(),
            id: None,
            uuid: Some(UserUuid(uuid)),
            username: names.username,
            email: names.email,
            password,
            staff: false,
            verified_at: verified_at.and_then(moment::parse),
            banned_at: (row.state != "active").then_some(changed),
            created_at,
            updated_at,
            factors,
            codes,
            sessions: Vec::new(),
            continued: false,
            remarks: names.remark.into_iter().chain(remarks).collect::<Vec<Remark>>(),
        })
    }

    /// The live sessions of an identity after that of this id, each or why it cannot be read; and the id of the last one
    /// that was read where there may be more.
    fn sessions(&mut self, identity: Uuid, after: &str) -> Result<(Vec<ReadSession>, Option<String>), SourceError> {
        let rows: Vec<KratosSessionRow> = self.reader.load(&format!(
            "SELECT CAST(s.id AS TEXT) AS id, s.token AS token, CAST(s.authentication_methods AS TEXT) AS methods, \
             CAST(s.expires_at AS TEXT) AS expires_at, CAST(s.issued_at AS TEXT) AS issued_at, \
             CAST(s.authenticated_at AS TEXT) AS authenticated_at, CAST(s.updated_at AS TEXT) AS updated_at, \
             (SELECT d.ip_address FROM session_devices d WHERE d.session_id = s.id \
              ORDER BY d.created_at DESC, d.id LIMIT 1) AS ip_address, \
             (SELECT d.user_agent FROM session_devices d WHERE d.session_id = s.id \
              ORDER BY d.created_at DESC, d.id LIMIT 1) AS user_agent \
             FROM sessions s WHERE s.identity_id = '{identity}' AND s.active AND s.id > '{after}' \
             ORDER BY s.id LIMIT {SESSIONS}"
        ))?;
        let last = rows.last().filter(|_| rows.len() == SESSIONS).map(|row| row.id.clone());
        let live = rows.into_iter().filter_map(|row| sessions::live(row, self.now).transpose()).collect();
        Ok((live, last))
    }

    /// Adds the first sessions of an account, and remembers who has more.
    fn with_sessions(&mut self, mut account: Box<SourceAccount>, after: &str) -> Result<SourceItem, SourceError> {
        let identity = account.uuid.map_or_else(Uuid::nil, |uuid| uuid.0);
        let (sessions, last) = self.sessions(identity, after)?;
        if let Some(last) = last {
            let rest = SourceAccount {
                factors: Vec::new(),
                codes: Vec::new(),
                remarks: Vec::new(),
                continued: true,
                ..(*account).clone()
            };
            self.more = Some((Box::new(rest), last));
        }
        for session in sessions {
            match session {
                Ok(session) => account.sessions.push(session),
                Err(remark) => account.remarks.push(remark),
            }
        }
        Ok(SourceItem::Account(account))
    }
}

/// Ids as a list of literals: they hold digits and hyphens alone.
fn list(ids: &[Uuid]) -> String {
    ids.iter().map(|id| format!("'{}'", id.hyphenated())).collect::<Vec<_>>().join(", ")
}

impl AccountSource for KratosSource {
    fn names(&mut self, each: &mut dyn FnMut(SourceNames<'_>)) -> Result<(), SourceError> {
        let ids = self.ids()?;
        for ids in ids.chunks(IDENTITIES) {
            for row in self.identities(ids)? {
                let Ok(traits) = serde_json::from_str(&row.traits) else { continue };
                if let Ok(names) = traits::names(&traits, &self.username, &self.email) {
                    each(SourceNames { username: &names.username, email: &names.email });
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<SourceItem>, SourceError> {
        if let Some((account, after)) = self.more.take() {
            return self.with_sessions(account, &after).map(Some);
        }
        if self.ready.is_empty() && !self.read_on()? {
            return Ok(None);
        }
        match self.ready.pop_front() {
            Some(SourceItem::Account(account)) => self.with_sessions(account, &Uuid::nil().to_string()).map(Some),
            other => Ok(other),
        }
    }
}
