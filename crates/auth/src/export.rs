//! Moving out: accounts with what lets their users in, for another program.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use thunderhead_domain::id::UserId;
use thunderhead_domain::import::ExportedAccount;
use thunderhead_domain::ports::{SealedRow, Storage, StorageError};
use thunderhead_domain::user::User;
use totp_rs::Secret;

use crate::credentials::password::without_mark;
use crate::tokens::keys::{EncryptionKeys, SigningKeyError};

/// How many accounts are read at once.
const PAGE: u32 = 500;

/// An account on its way out.
#[derive(Debug)]
pub struct OutgoingAccount {
    /// Who it is.
    pub user: User,
    /// The hash of the password, in the form that other programs know; none where there is no password.
    pub password_hash: Option<SecretString>,
    /// The secrets of authenticator apps, in base32; none where they were not asked for.
    pub totp: Vec<SecretString>,
}

/// Reads all accounts.
pub struct Exporter {
    storage: Arc<dyn Storage>,
    /// What opens factors' secrets, where they are asked for.
    secrets: Option<EncryptionKeys>,
}

impl Exporter {
    /// Over one storage. Without keys, factors stay here.
    pub const fn new(storage: Arc<dyn Storage>, secrets: Option<EncryptionKeys>) -> Self {
        Self { storage, secrets }
    }

    /// The next accounts by id, after one; none after the last. Those that cannot be read are left out.
    ///
    /// # Errors
    /// Where the database is away, or a secret does not open.
    pub async fn page(&self, after: Option<UserId>) -> Result<Vec<OutgoingAccount>, SigningKeyError> {
        let accounts: Result<_, StorageError> = self.storage.account_export(after, PAGE).await;
        accounts?.into_iter().map(|account| self.outgoing(account)).collect()
    }

    fn outgoing(&self, account: ExportedAccount) -> Result<OutgoingAccount, SigningKeyError> {
        let mut totp = Vec::new();
        for key in self.secrets.iter().flat_map(|_| &account.totp) {
            totp.extend(self.opened(&SealedRow::Factor(key.factor), &key.sealed)?);
        }
        let password_hash = account.password.map(|hash| without_mark(&hash).to_owned().into());
        Ok(OutgoingAccount { user: account.user, password_hash, totp })
    }

    fn opened(&self, row: &SealedRow, sealed: &str) -> Result<Option<SecretString>, SigningKeyError> {
        let Some(keys) = &self.secrets else { return Ok(None) };
        let context = row.context();
        let secret = keys.unseal_bytes(sealed, &context).map_err(|error| SigningKeyError::sealing(error, context))?;
        Ok(Some(Secret::from(secret.expose_secret().to_vec()).to_base32().into()))
    }
}
