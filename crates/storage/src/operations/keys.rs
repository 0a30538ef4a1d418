//! Signing keys.

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::ports::{SigningKeyRecord, SigningKeys, Stored};

use super::super::lock_first_key;
use super::{Connection, Lanes};
use crate::rows::SigningKeyRow;
use crate::schema::signing_keys;

#[async_trait]
impl SigningKeys for Lanes {
    async fn signing_keys(&self) -> Stored<Vec<SigningKeyRecord>> {
        self.read(|connection| Ok(all(connection)?)).await
    }

    async fn signing_key_first(&self, key: SigningKeyRecord) -> Stored<Vec<SigningKeyRecord>> {
        self.write(move |connection| {
            lock_first_key(connection)?;
            let stored = all(connection)?;
            if !stored.is_empty() {
                return Ok(stored);
            }
            let row = SigningKeyRow::from(key.clone());
            diesel::insert_into(signing_keys::table).values(&row).execute(connection)?;
            Ok(vec![key.clone()])
        })
        .await
    }
}

fn all(connection: &mut Connection) -> QueryResult<Vec<SigningKeyRecord>> {
    let rows: Vec<SigningKeyRow> = signing_keys::table
        .order((signing_keys::created_at.desc(), signing_keys::kid.asc()))
        .select(SigningKeyRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(SigningKeyRecord::from).collect())
}
