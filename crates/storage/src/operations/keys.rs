//! Signing keys, and all that is encrypted under the same key as they.

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::ports::{Resealed, SealedRow, SealedText, SealedTexts, SigningKeyRecord, SigningKeys, Stored};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use super::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, factors, on_primary, webhooks};
use crate::dsl::*;
use crate::rows::SigningKeyRow;
use crate::schema::{imported_codes, second_factors, sessions, signing_keys};

#[async_trait]
impl SigningKeys for Database {
    #[instrument(level = "debug", skip_all)]
    async fn signing_keys(&self) -> Stored<Vec<SigningKeyRecord>> {
        self.read(|connection| Ok(all(connection)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn signing_key_first(&self, key: SigningKeyRecord) -> Stored<Vec<SigningKeyRecord>> {
        self.write(move |transaction| {
            transaction.lock_signing_keys()?;
            let stored = all(transaction)?;
            if !stored.is_empty() {
                return Ok(stored);
            }
            insert(transaction, &key)?;
            Ok(vec![key.clone()])
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn signing_key_add(&self, key: SigningKeyRecord, action: ActionContext) -> Stored<Vec<SigningKeyRecord>> {
        self.write(move |transaction| {
            transaction.lock_signing_keys()?;
            insert(transaction, &key)?;
            transaction.audit_general(&action, AuditKind::KeyRotated, key.kid.clone())?;
            Ok(all(transaction)?)
        })
        .await
    }
}

#[async_trait]
impl SealedTexts for Database {
    #[instrument(level = "debug", skip_all)]
    async fn sealed_texts(&self) -> Stored<Vec<SealedText>> {
        let key = |key: SigningKeyRecord| SealedText { row: SealedRow::SigningKey(key.kid), sealed: key.sealed };
        let factor = |(id, sealed)| SealedText { row: SealedRow::Factor(id), sealed };
        self.snapshot(move |connection| {
            let keys = all(connection)?.into_iter().map(key);
            let factors = factors::all_sealed(connection)?.into_iter().map(factor);
            let codes = factors::all_sealed_codes(connection)?;
            Ok(keys.chain(factors).chain(codes).chain(webhooks::all_sealed(connection)?).collect())
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn sealed_replace(&self, texts: Vec<Resealed>, action: ActionContext) -> Stored<u64> {
        self.write(move |transaction| {
            transaction.lock_signing_keys()?;
            let mut replaced = 0;
            for text in &texts {
                replaced += replace(transaction, text)? as u64;
            }
            if replaced > 0 {
                transaction.audit_general(&action, AuditKind::SecretsResealed, replaced.to_string())?;
            }
            Ok(replaced)
        })
        .await
    }
}

fn replace(transaction: &mut WriteTransaction<'_>, Resealed { old, new }: &Resealed) -> QueryResult<usize> {
    match &old.row {
        SealedRow::SigningKey(kid) => {
            let row = signing_keys::table.filter(signing_keys::kid.eq(kid).and(signing_keys::sealed.eq(&old.sealed)));
            diesel::update(row).set(signing_keys::sealed.eq(new)).execute(transaction)
        }
        SealedRow::Factor(id) => {
            let row = second_factors::table.find(id.0.as_bytes().as_slice());
            let row = row.filter(second_factors::sealed.eq(&old.sealed));
            diesel::update(row).set(second_factors::sealed.eq(new)).execute(transaction)
        }
        SealedRow::ImportedCode(id) => {
            let row = imported_codes::table.find(id.0.as_bytes().as_slice());
            let row = row.filter(imported_codes::sealed.eq(&old.sealed));
            diesel::update(row).set(imported_codes::sealed.eq(new)).execute(transaction)
        }
        SealedRow::Webhook(id) => webhooks::replace_sealed(transaction, *id, &old.sealed, new),
    }
}

/// Deletes the keys that a newer one took over from before `retired_before`, unless somebody still needs them.
///
/// Reading comes first and by itself, so that on SQLite no writer waits for it. What it finds stays true: a key
/// that is retired is never used again, and a session that is not live never becomes so.
pub(crate) async fn prune(database: &Database, retired_before: Timestamp, now: Timestamp) -> Stored<u64> {
    let due = database
        .snapshot(move |connection| {
            let due = retired(all(connection)?, retired_before.min(now));
            let needed = !due.is_empty() && anybody_is_live_since_before(connection, retired_before, now)?;
            Ok(if needed { Vec::new() } else { due })
        })
        .await?;
    if due.is_empty() {
        return Ok(0);
    }
    database
        .write(move |transaction| {
            transaction.lock_signing_keys()?;
            let due = signing_keys::table.filter(signing_keys::kid.eq_any(&due));
            Ok(diesel::delete(due).execute(transaction)? as u64)
        })
        .await
}

/// Which of all keys, newest first, come after one that began to sign before this moment. With a moment that is
/// not in the future, the key that signs now is never among them.
fn retired(keys: Vec<SigningKeyRecord>, before: Timestamp) -> Vec<String> {
    keys.into_iter().skip_while(|key| key.signs_from >= before).skip(1).map(|key| key.kid).collect()
}

/// Whether a session that was opened before a moment is live at `now`. The oldest one is asked for, rather than
/// whether there is any, so that Postgres reads the index in its order: it takes the dates for independent of each
/// other, would expect to find one anywhere at once, and read millions of rows that have expired. A session
/// that is over and whose row does not say so yet may keep a key for a little longer.
fn anybody_is_live_since_before(
    connection: &mut ReadConnection<'_>,
    before: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    let oldest: Option<i64> = sessions::table
        .filter(sessions::ended_at.is_null().and(sessions::expires_at.gt(now.unix_millis())))
        .filter(sessions::created_at.lt(before.unix_millis()))
        // Tokens that other keys verify need none of ours.
        .filter(sessions::verification_key.is_null())
        .order(sessions::created_at.asc())
        .limit(1)
        .select(sessions::created_at)
        .get_result(connection)
        .optional()?;
    Ok(oldest.is_some())
}

fn insert(transaction: &mut WriteTransaction<'_>, key: &SigningKeyRecord) -> QueryResult<()> {
    let row = SigningKeyRow::from(key.clone());
    diesel::insert_into(signing_keys::table).values(&row).execute(transaction).map(drop)
}

fn all(connection: &mut ReadConnection<'_>) -> QueryResult<Vec<SigningKeyRecord>> {
    let rows: Vec<SigningKeyRow> = on_primary(signing_keys::table)
        .order((signing_keys::created_at.desc(), signing_keys::kid.asc()))
        .select(SigningKeyRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(SigningKeyRecord::from).collect())
}
