//! What of a batch is to come: decided by reading alone, so that a rehearsal tells the same as what is then done.

use std::collections::{BTreeSet, HashMap, HashSet};

use thunderhead_domain::factor::{ImportedCode, MOST_FACTORS};
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::import::{
    AccountOutcome, ImportBatch, ImportOutcome, ImportedAccount, ImportedSession, LeftOut, Remark,
};

use super::operations::{Query, ReadConnection};
use crate::dsl::*;
use crate::rows::{FIRST_CREDENTIAL, MemoryKind, UserRow};
use crate::schema::{deleted_users, imported, imported_codes, second_factors, sessions, users};

/// How many values one statement looks for at most.
const CHUNK: usize = 1_000;

/// What is to become of a batch: of each of its accounts, in their order.
pub(super) struct Plan {
    pub(super) accounts: Vec<PlannedAccount>,
}

/// What is to become of one account.
pub(super) struct PlannedAccount {
    pub(super) whose: Whose,
    pub(super) outcome: ImportOutcome,
    /// Which of its sessions come, by their places, each with its id.
    pub(super) sessions: Vec<(usize, SessionId)>,
    /// Which of its factors come, by their places.
    pub(super) factors: Vec<usize>,
    /// Which of its backup codes come, by their places.
    pub(super) codes: Vec<usize>,
}

/// Whose account it is.
pub(super) enum Whose {
    /// A new user's, under the other name or not.
    New { renamed: bool },
    /// That of a user who came before.
    Known(Box<UserRow>),
    /// Nobody's here.
    Nobody,
}

impl Plan {
    pub(super) fn make(connection: &mut ReadConnection<'_>, batch: &ImportBatch) -> QueryResult<Self> {
        let mut there = There::read(connection, batch)?;
        let accounts = batch.accounts.iter().map(|account| there.plan(connection, account));
        Ok(Self { accounts: accounts.collect::<QueryResult<_>>()? })
    }

    pub(super) fn outcomes(self) -> Vec<ImportOutcome> {
        self.accounts.into_iter().map(|planned| planned.outcome).collect()
    }
}

/// What is there of all that the batch names.
struct There {
    /// The users whom accounts belong to that came before; `None` where they are gone.
    accounts: HashMap<String, Option<UserRow>>,
    sessions: HashSet<String>,
    factors: HashSet<String>,
    names: HashSet<String>,
    addresses: HashSet<String>,
    ids: HashSet<i64>,
    uuids: HashSet<Vec<u8>>,
    session_uuids: HashSet<Vec<u8>>,
    tokens: HashSet<Vec<u8>>,
    keys: HashSet<Vec<u8>>,
    codes: HashSet<Vec<u8>>,
}

impl There {
    fn read(connection: &mut ReadConnection<'_>, batch: &ImportBatch) -> QueryResult<Self> {
        let source = batch.source.name();
        let all = &batch.accounts;
        let sessions = || all.iter().flat_map(|account| &account.sessions);
        let factors = || all.iter().flat_map(|account| &account.factors);
        let remembered = |connection: &mut ReadConnection<'_>, kind: MemoryKind, ids: Vec<String>| {
            let mut found: Vec<(String, Vec<u8>)> = Vec::new();
            for chunk in ids.chunks(CHUNK) {
                let same = imported::table
                    .filter(imported::source.eq(source).and(imported::kind.eq(kind.name())))
                    .filter(imported::source_id.eq_any(chunk.to_vec()));
                found.extend(same.select((imported::source_id, imported::user_uuid)).load(connection)?);
            }
            Ok::<_, diesel::result::Error>(found)
        };
        let accounts =
            remembered(connection, MemoryKind::Account, all.iter().map(|account| account.source_id.clone()).collect())?;
        let known_sessions =
            remembered(connection, MemoryKind::Session, sessions().map(|one| one.source_id.clone()).collect())?;
        let known_factors =
            remembered(connection, MemoryKind::Factor, factors().map(|one| one.source_id.clone()).collect())?;
        let uuids: Vec<Vec<u8>> = accounts.iter().map(|(_, uuid)| uuid.clone()).collect();
        let mut owners: HashMap<Vec<u8>, UserRow> = HashMap::new();
        for chunk in uuids.chunks(CHUNK) {
            let rows: Vec<UserRow> = users::table
                .filter(users::uuid.eq_any(chunk.to_vec()))
                .select(UserRow::as_select())
                .load(connection)?;
            owners.extend(rows.into_iter().map(|row| (row.uuid.clone(), row)));
        }
        let names = all.iter().flat_map(|account| [Some(&account.username), account.other_username.as_ref()]);
        let names: Vec<String> = names.flatten().map(|name| name.key()).collect();
        let addresses: Vec<String> = all.iter().map(|account| account.email.key()).collect();
        let ids: Vec<i64> = all.iter().filter_map(|account| account.id).map(UserId::number).collect();
        let own_uuids: Vec<Vec<u8>> = all.iter().map(|account| account.uuid.0.as_bytes().to_vec()).collect();
        let session_uuids: Vec<Vec<u8>> = sessions().map(|one| one.uuid.0.as_bytes().to_vec()).collect();
        let tokens: Vec<Vec<u8>> = sessions().filter_map(|one| one.opaque).map(|digest| digest.0.to_vec()).collect();
        let keys: Vec<Vec<u8>> =
            factors().filter_map(|one| one.factor.material.credential_id()).map(<[u8]>::to_vec).collect();
        let codes: Vec<Vec<u8>> =
            all.iter().flat_map(|account| &account.codes).map(|code| code.key().to_vec()).collect();
        macro_rules! taken {
            ($values:expr, $table:ident::$column:ident: $type:ty) => {{
                let mut taken: HashSet<$type> = HashSet::new();
                for chunk in $values.chunks(CHUNK) {
                    let same = $table::table.filter($table::$column.eq_any(chunk.to_vec()));
                    taken.extend(same.select($table::$column).load::<$type>(connection)?);
                }
                taken
            }};
        }
        let mut taken_ids = taken!(ids, users::id: i64);
        taken_ids.extend(taken!(ids, deleted_users::user_id: i64));
        let taken_keys = taken!(keys, second_factors::credential_id: Option<Vec<u8>>);
        let taken_tokens = taken!(tokens, sessions::opaque_digest: Option<Vec<u8>>);
        Ok(Self {
            accounts: accounts.into_iter().map(|(id, uuid)| (id, owners.get(&uuid).cloned())).collect(),
            sessions: known_sessions.into_iter().map(|(id, _)| id).collect(),
            factors: known_factors.into_iter().map(|(id, _)| id).collect(),
            names: taken!(names, users::username_key: String),
            addresses: taken!(addresses, users::email_key: String),
            ids: taken_ids,
            uuids: taken!(own_uuids, users::uuid: Vec<u8>),
            session_uuids: taken!(session_uuids, sessions::uuid: Vec<u8>),
            tokens: taken_tokens.into_iter().flatten().collect(),
            keys: taken_keys.into_iter().flatten().collect(),
            codes: taken!(codes, imported_codes::code: Vec<u8>),
        })
    }

    fn plan(&mut self, connection: &mut ReadConnection<'_>, account: &ImportedAccount) -> QueryResult<PlannedAccount> {
        let (whose, outcome) = match self.accounts.get(&account.source_id) {
            Some(Some(owner)) => (Whose::Known(Box::new(owner.clone())), AccountOutcome::Known),
            Some(None) => (Whose::Nobody, AccountOutcome::Deleted),
            None => match self.take_names(account) {
                Ok(renamed) => {
                    let id = account.id.unwrap_or_else(|| UserId::at(account.created_at));
                    (Whose::New { renamed }, AccountOutcome::Created { id, renamed })
                }
                Err(why) => (Whose::Nobody, AccountOutcome::LeftOut(why)),
            },
        };
        let mut planned = PlannedAccount {
            whose,
            outcome: ImportOutcome::of(outcome),
            sessions: Vec::new(),
            factors: Vec::new(),
            codes: Vec::new(),
        };
        let owner = match &planned.whose {
            Whose::Nobody => return Ok(planned),
            Whose::New { .. } => None,
            Whose::Known(owner) => {
                if let Some(why) = closed(owner) {
                    planned.outcome.remarks.extend(self.unwanted(account, why));
                    return Ok(planned);
                }
                Some(UserId::from_number(owner.id))
            }
        };
        self.plan_factors(connection, account, &mut planned)?;
        self.plan_sessions(connection, account, owner, &mut planned)?;
        Ok(planned)
    }

    /// That what is new of an account does not come.
    fn unwanted(&self, account: &ImportedAccount, why: &str) -> Option<Remark> {
        let sessions = account.sessions.iter().filter(|one| !self.sessions.contains(&one.source_id)).count();
        let factors = account.factors.iter().filter(|one| !self.factors.contains(&one.source_id)).count();
        (sessions + factors > 0)
            .then(|| Remark::Other(format!("{sessions} new sessions and {factors} new factors did not come: {why}")))
    }

    /// Takes the account's id, uuid, name and address, if they are free; returns whether it is the other name.
    fn take_names(&mut self, account: &ImportedAccount) -> Result<bool, LeftOut> {
        let uuid = account.uuid.0.as_bytes().to_vec();
        if account.id.is_some_and(|id| self.ids.contains(&id.number())) {
            return Err(LeftOut::IdTaken);
        }
        if self.uuids.contains(&uuid) {
            return Err(LeftOut::UuidTaken);
        }
        let address = account.email.key();
        if self.addresses.contains(&address) {
            return Err(LeftOut::AddressTaken);
        }
        let own = !self.names.contains(&account.username.key());
        let name = if own { Some(&account.username) } else { account.other_username.as_ref() };
        let Some(name) = name.filter(|name| !self.names.contains(&name.key())) else { return Err(LeftOut::NameTaken) };
        self.ids.extend(account.id.map(UserId::number));
        self.uuids.insert(uuid);
        self.addresses.insert(address);
        self.names.insert(name.key());
        Ok(!own)
    }

    fn plan_factors(
        &mut self,
        connection: &mut ReadConnection<'_>,
        account: &ImportedAccount,
        planned: &mut PlannedAccount,
    ) -> QueryResult<()> {
        let new: Vec<usize> =
            (0..account.factors.len()).filter(|at| !self.factors.contains(&account.factors[*at].source_id)).collect();
        // Somebody who had nothing but such codes was asked for one there, and is here.
        let is_factor = |code: &ImportedCode| matches!(code, ImportedCode::Sealed { .. });
        let alone = matches!(planned.whose, Whose::New { .. }) && account.codes.iter().any(is_factor);
        if new.is_empty() {
            if alone {
                self.plan_codes(account, planned);
            }
            return Ok(());
        }
        let (mut room, first) = match &planned.whose {
            Whose::Known(owner) => {
                let own = second_factors::table.filter(second_factors::user_id.eq(owner.id));
                let count: i64 = own.count().get_result(connection)?;
                (MOST_FACTORS.saturating_sub(count.unsigned_abs() as usize), !owner.has_second_factor)
            }
            Whose::New { .. } | Whose::Nobody => (MOST_FACTORS, true),
        };
        for at in new {
            let imported = &account.factors[at];
            let key = imported.factor.material.credential_id().map(<[u8]>::to_vec);
            let why = if room == 0 {
                Some("there are as many as one may have")
            } else if key.as_ref().is_some_and(|key| self.keys.contains(key)) {
                Some("somebody here has the security key")
            } else {
                None
            };
            if let Some(why) = why {
                let name = imported.factor.name.as_str().to_owned();
                planned.outcome.remarks.push(Remark::FactorLeftOut { name, why: why.to_owned() });
                continue;
            }
            self.keys.extend(key);
            self.factors.insert(imported.source_id.clone());
            room -= 1;
            planned.factors.push(at);
        }
        planned.outcome.factors = planned.factors.len() as u64;
        if alone || (first && !planned.factors.is_empty()) {
            self.plan_codes(account, planned);
        }
        Ok(())
    }

    /// A code opens one account: if two have the same, it is the first one's.
    fn plan_codes(&mut self, account: &ImportedAccount, planned: &mut PlannedAccount) {
        planned.codes =
            (0..account.codes.len()).filter(|at| self.codes.insert(account.codes[*at].key().to_vec())).collect();
        planned.outcome.codes = planned.codes.len() as u64;
        let count = account.codes.len() - planned.codes.len();
        if count > 0 {
            let why = "there are the same here".to_owned();
            planned.outcome.remarks.push(Remark::CodesLeftOut { count, why });
        }
    }

    fn plan_sessions(
        &mut self,
        connection: &mut ReadConnection<'_>,
        account: &ImportedAccount,
        owner: Option<UserId>,
        planned: &mut PlannedAccount,
    ) -> QueryResult<()> {
        let new: Vec<usize> = (0..account.sessions.len())
            .filter(|at| !self.sessions.contains(&account.sessions[*at].source_id))
            .collect();
        let wanted = |session: &ImportedSession| session.id.unwrap_or_else(|| SessionId::at(session.created_at));
        let mut taken: BTreeSet<i64> = match owner {
            Some(owner) if !new.is_empty() => taken_ids(connection, owner, account, &new)?,
            _ => BTreeSet::new(),
        };
        for at in new {
            let session = &account.sessions[at];
            let uuid = session.uuid.0.as_bytes().to_vec();
            let token = session.opaque.map(|digest| digest.0.to_vec());
            let mut id = wanted(session);
            while session.id.is_none() && taken.contains(&id.number()) {
                id = id.previous();
            }
            let why = if taken.contains(&id.number()) {
                Some("its user has a session of the same second here")
            } else if self.session_uuids.contains(&uuid)
                || token.as_ref().is_some_and(|token| self.tokens.contains(token))
            {
                Some("there is one of its id or token here")
            } else {
                None
            };
            if let Some(why) = why {
                let id = session.source_id.clone();
                planned.outcome.remarks.push(Remark::SessionLeftOut { id, why: why.to_owned() });
                continue;
            }
            taken.insert(id.number());
            self.session_uuids.insert(uuid);
            self.tokens.extend(token);
            self.sessions.insert(session.source_id.clone());
            planned.sessions.push((at, id));
            if session.end.is_some() {
                planned.outcome.sessions_over += 1;
            } else {
                planned.outcome.sessions += 1;
            }
        }
        Ok(())
    }
}

/// Why nothing more comes for a user who came before, if that is so: who still has the old password could open sessions
/// there.
pub(super) fn closed(owner: &UserRow) -> Option<&'static str> {
    if owner.banned_at.is_some() {
        Some("its user is banned here")
    } else if owner.credential_version != FIRST_CREDENTIAL {
        Some("its password was changed here")
    } else {
        None
    }
}

/// How far below the id that it would have a session's may be, where that is taken.
const REACH: i64 = 600;

/// The ids that a user's sessions have, as far as these could want them.
fn taken_ids(
    connection: &mut ReadConnection<'_>,
    owner: UserId,
    account: &ImportedAccount,
    new: &[usize],
) -> QueryResult<BTreeSet<i64>> {
    let mut taken = BTreeSet::new();
    let kept = new.iter().filter_map(|at| account.sessions[*at].id).map(SessionId::number);
    for chunk in kept.collect::<Vec<_>>().chunks(CHUNK) {
        let same =
            sessions::table.filter(sessions::user_id.eq(owner.number()).and(sessions::id.eq_any(chunk.to_vec())));
        taken.extend(same.select(sessions::id).load::<i64>(connection)?);
    }
    let free = new.iter().map(|at| &account.sessions[*at]).filter(|session| session.id.is_none());
    for session in free {
        let from = SessionId::at(session.created_at).number();
        let near = sessions::table
            .filter(sessions::user_id.eq(owner.number()))
            .filter(sessions::id.le(from).and(sessions::id.gt(from - REACH)));
        taken.extend(near.select(sessions::id).load::<i64>(connection)?);
    }
    Ok(taken)
}
