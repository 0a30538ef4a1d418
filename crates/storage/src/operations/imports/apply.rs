//! Taking in what was decided to come.

use std::collections::HashMap;

use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::factor::ImportedCode;
use thunderhead_domain::id::UserId;
use thunderhead_domain::import::{AccountOutcome, ImportBatch, ImportOutcome, ImportedAccount, LeftOut};
use thunderhead_domain::ports::Invalidation;
use thunderhead_domain::time::Timestamp;

use super::keys;
use super::operations::accounts::create;
use super::operations::transaction::unseen::UserInsert;
use super::operations::{UncheckedStatement, WriteTransaction};
use super::plan::{Plan, PlannedAccount, Whose, closed};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{FactorRow, ImportedSessionRow, MemoryKind, MemoryRow, NewUserRow, RecordedUser, UserRow};
use crate::schema::{imported, imported_codes, second_factors, users};

/// How many rows one statement inserts at most: far fewer values than there may be parameters.
const CHUNK: usize = 500;

/// What is inserted once all accounts are there.
#[derive(Default)]
struct Pending {
    sessions: Vec<ImportedSessionRow>,
    factors: Vec<FactorRow>,
    codes: Vec<(i64, ImportedCode)>,
    memory: Vec<MemoryRow>,
    created: Vec<(RecordedUser, String)>,
    extended: Vec<(RecordedUser, String)>,
    enrolled: Vec<(RecordedUser, String)>,
    /// Users who came before, whose sessions become more.
    counted: Vec<i64>,
    needs_key: bool,
}

pub(super) fn apply(
    transaction: &mut WriteTransaction<'_>,
    batch: &ImportBatch,
    plan: Plan,
    action: &ActionContext,
) -> Result<Vec<ImportOutcome>, OperationError> {
    let known = lock_known(transaction, &plan)?;
    let (mut pending, mut outcomes) = (Pending::default(), Vec::new());
    for (account, planned) in batch.accounts.iter().zip(plan.accounts) {
        outcomes.push(take(transaction, batch, account, planned, &known, action, &mut pending)?);
    }
    if let Some(key) = batch.key.as_ref().filter(|_| pending.needs_key) {
        keys::store(transaction, key)?;
    }
    insert(transaction, &pending)?;
    transaction.audit_users(action, AuditKind::AccountImported, pending.created.into_iter())?;
    transaction.audit_users(action, AuditKind::SessionsImported, pending.extended.into_iter())?;
    transaction.audit_users(action, AuditKind::FactorAdded, pending.enrolled.into_iter())?;
    Ok(outcomes)
}

/// Locks those who came before and get something now, in the order of their ids; returns them as they are then.
fn lock_known(transaction: &mut WriteTransaction<'_>, plan: &Plan) -> QueryResult<HashMap<i64, UserRow>> {
    let gets = |planned: &&PlannedAccount| !planned.sessions.is_empty() || !planned.factors.is_empty();
    let known = plan.accounts.iter().filter(gets).filter_map(|planned| match &planned.whose {
        Whose::Known(owner) => Some(owner.id),
        Whose::New { .. } | Whose::Nobody => None,
    });
    let mut ids: Vec<i64> = known.collect();
    ids.sort_unstable();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(transaction.lock_users(&ids)?.into_iter().map(|row| (row.id, row)).collect())
}

fn take(
    transaction: &mut WriteTransaction<'_>,
    batch: &ImportBatch,
    account: &ImportedAccount,
    planned: PlannedAccount,
    known: &HashMap<i64, UserRow>,
    action: &ActionContext,
    pending: &mut Pending,
) -> Result<ImportOutcome, OperationError> {
    let mut outcome = planned.outcome;
    let (user, generation, uuid) = match planned.whose {
        Whose::Nobody => return Ok(outcome),
        Whose::Known(_) if planned.sessions.is_empty() && planned.factors.is_empty() => return Ok(outcome),
        // Whoever has been banned, deleted or given another password since they were looked at gets nothing.
        Whose::Known(owner) => match known.get(&owner.id).filter(|row| row.uuid == owner.uuid) {
            Some(row) if closed(row).is_none() => {
                (UserId::from_number(row.id), row.session_generation, row.uuid.clone())
            }
            _ => return Ok(ImportOutcome::of(AccountOutcome::Known)),
        },
        Whose::New { renamed } => {
            let name = account.other_username.as_ref().filter(|_| renamed).unwrap_or(&account.username);
            let row = NewUserRow::imported(account, name, !planned.factors.is_empty() || !planned.codes.is_empty());
            match make(transaction, account, row)? {
                Ok(row) => {
                    let id = UserId::from_number(row.id);
                    outcome.account = AccountOutcome::Created { id, renamed };
                    let told = format!("{} {}", batch.source, account.source_id);
                    pending.created.push((RecordedUser::from(&row), told));
                    pending.memory.push(remember(batch, MemoryKind::Account, &account.source_id, &row.uuid, action.at));
                    (id, row.session_generation, row.uuid)
                }
                Err(why) => return Ok(ImportOutcome::of(AccountOutcome::LeftOut(why))),
            }
        }
    };
    let is_known = outcome.account == AccountOutcome::Known;
    let recorded = || RecordedUser::known_by(user, &uuid);
    for at in &planned.factors {
        let factor = &account.factors[*at];
        pending.factors.push(FactorRow::imported(user, factor));
        pending.memory.push(remember(batch, MemoryKind::Factor, &factor.source_id, &uuid, action.at));
        let (kind, name) = (factor.factor.material.kind().name(), factor.factor.name.as_str());
        pending.enrolled.push((recorded(), format!("{kind} {name}")));
    }
    if is_known && !planned.factors.is_empty() {
        let has_factor = (users::has_second_factor.eq(true), users::updated_at.eq(action.at.unix_millis()));
        let owner = diesel::update(users::table.find(user.number())).set(has_factor);
        transaction.change(Invalidation::User(user), owner)?;
    }
    pending.codes.extend(planned.codes.iter().map(|at| (user.number(), account.codes[*at].clone())));
    for (at, id) in &planned.sessions {
        let session = &account.sessions[*at];
        pending.needs_key |= session.key.is_some() && session.end.is_none();
        pending.sessions.push(ImportedSessionRow::new(user, generation, *id, session));
        pending.memory.push(remember(batch, MemoryKind::Session, &session.source_id, &uuid, action.at));
    }
    if is_known && !planned.sessions.is_empty() {
        pending.counted.push(user.number());
        pending.extended.push((recorded(), planned.sessions.len().to_string()));
    }
    Ok(outcome)
}

/// Makes an account, unless somebody has taken what it wants since it was looked for.
fn make(
    transaction: &mut WriteTransaction<'_>,
    account: &ImportedAccount,
    row: NewUserRow,
) -> Result<Result<UserRow, LeftOut>, OperationError> {
    if account.id.is_none() {
        return Ok(create::insert_row(transaction, row)?.ok_or(LeftOut::NameTaken));
    }
    match transaction.insert_user(&row)? {
        UserInsert::Done => Ok(Ok(row.into())),
        UserInsert::IdOfDeleted => Ok(Err(LeftOut::IdTaken)),
        UserInsert::Taken => Ok(Err(LeftOut::NameTaken)),
    }
}

fn remember(batch: &ImportBatch, kind: MemoryKind, source_id: &str, uuid: &[u8], at: Timestamp) -> MemoryRow {
    MemoryRow::new(batch.source, kind, source_id, uuid, at)
}

fn insert(transaction: &mut WriteTransaction<'_>, pending: &Pending) -> Result<(), OperationError> {
    for chunk in pending.factors.chunks(CHUNK) {
        diesel::insert_into(second_factors::table).values(chunk).execute(transaction)?;
    }
    for chunk in pending.codes.chunks(CHUNK) {
        let row = |(user, code): &(i64, ImportedCode)| {
            let sealed = match code {
                ImportedCode::Sha512(_) => None,
                ImportedCode::Sealed { sealed, .. } => Some(sealed.clone()),
            };
            let (key, owner) = (imported_codes::code.eq(code.key().to_vec()), imported_codes::user_id.eq(*user));
            (key, owner, imported_codes::sealed.eq(sealed))
        };
        let rows: Vec<_> = chunk.iter().map(row).collect();
        diesel::insert_into(imported_codes::table).values(rows).execute(transaction)?;
    }
    for chunk in pending.sessions.chunks(CHUNK) {
        transaction.insert_sessions(chunk)?;
    }
    if !pending.counted.is_empty() {
        transaction.count_session_changes(pending.counted.clone())?;
    }
    for chunk in pending.memory.chunks(CHUNK) {
        diesel::insert_into(imported::table).values(chunk).execute(transaction)?;
    }
    Ok(())
}
