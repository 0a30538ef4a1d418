//! Seeing and removing second factors: one's own, as staff those of others, and as the operator all (`docs/MODEL.md`,
//! *Second factors*).

use sha2::{Digest as _, Sha256};
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::factor::{Factor, FactorChoice, FactorId, ImportedCode, OtherSessions};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Page, PageRequest, StorageError};
use thunderhead_domain::user::User;
use tracing::instrument;

use crate::changes::target::{OwnAccount, RemovableAccount};
use crate::changes::{Change, ChangeError};
use crate::credentials::backup::BackupCode;
use crate::environment::Environment;

/// Bytes of a mark.
const MARK_BYTES: usize = 16;

/// Second factors that are enrolled.
pub struct FactorManager {
    environment: Environment,
}

/// Backup codes that nobody has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupCodesLeft {
    /// How many.
    pub count: usize,
    /// How many of them came from another program, so that others should be made.
    pub imported: usize,
    /// Tells these from what there is once one was used, or others were made.
    pub mark: String,
}

/// One user's factors, as somebody may see them.
pub struct UserFactors<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) user: UserId,
}

impl UserFactors<'_> {
    /// One of the factors.
    ///
    /// # Errors
    /// [`Refusal::UnknownFactor`] where the user has none of this id.
    #[instrument(level = "debug", skip_all)]
    pub async fn show(&self, id: FactorId) -> Result<Factor, ChangeError> {
        Ok(self.environment.storage.factor_find(self.user, id).await?.ok_or(Refusal::UnknownFactor)?)
    }

    /// The backup codes that are left.
    #[instrument(level = "debug", skip_all)]
    pub async fn backup_codes_left(&self) -> Result<BackupCodesLeft, StorageError> {
        let left = self.environment.storage.backup_codes_left(self.user).await?;
        let own = left.own.iter().map(|digest| digest.0.as_slice());
        let mut keys: Vec<_> = own.chain(left.imported.iter().map(ImportedCode::key)).collect();
        keys.sort_unstable();
        let hash = keys.into_iter().fold(Sha256::new(), |hash, key| hash.chain_update(key)).finalize();
        let mark = hash.iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok(BackupCodesLeft { count: left.count(), imported: left.imported.len(), mark })
    }

    /// All of the factors, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn all(&self) -> Result<Vec<Factor>, StorageError> {
        self.environment.storage.factor_list(self.user).await
    }

    /// A page of the factors, newest first.
    #[instrument(level = "debug", skip_all)]
    pub async fn list(&self, page: PageRequest) -> Result<Page<Factor>, StorageError> {
        self.environment.storage.factor_page(self.user, page).await
    }
}

impl FactorManager {
    pub(crate) const fn new(environment: Environment) -> Self {
        Self { environment }
    }

    /// The caller's own factors.
    pub fn own(&self, caller: &Principal) -> UserFactors<'_> {
        UserFactors { environment: &self.environment, user: caller.user().id }
    }

    /// A user's factors, for staff.
    ///
    /// # Errors
    /// [`Refusal::Gone`] where there is no such user.
    #[instrument(level = "debug", skip_all)]
    pub async fn of_user(&self, _staff: &StaffPrincipal, user: UserId) -> Result<UserFactors<'_>, ChangeError> {
        self.environment.storage.account_find(AccountName::Id(user)).await?.ok_or(Refusal::Gone)?;
        Ok(UserFactors { environment: &self.environment, user })
    }

    /// The same of a user who has just been found.
    pub const fn of_found(&self, _staff: &StaffPrincipal, user: &User) -> UserFactors<'_> {
        UserFactors { environment: &self.environment, user: user.id }
    }

    /// Removes factors of a user, and with the last one the backup codes; returns how many. Somebody's own other sessions end
    /// with that where it is wanted.
    #[instrument(level = "debug", skip_all)]
    pub async fn remove<T: RemovableAccount>(
        &self,
        change: Change<T>,
        which: FactorChoice,
        others: OtherSessions,
    ) -> Result<u64, ChangeError> {
        let (user, storage) = (change.target.user(), &self.environment.storage);
        let remove = |authorization| storage.factor_remove(user, which, others, authorization);
        change.author.make(&self.environment, remove).await
    }

    /// Makes new backup codes; the old ones are void. Who has no factor gets none ([`Refusal::FactorMissing`]).
    #[instrument(level = "debug", skip_all)]
    pub async fn renew_backup_codes(&self, change: Change<OwnAccount>) -> Result<Vec<BackupCode>, ChangeError> {
        let codes = Vec::from(BackupCode::generate(&*self.environment.random));
        let digests = codes.iter().map(BackupCode::digest).collect();
        let user = change.target.0;
        let renew = |authorization| self.environment.storage.backup_codes_renew(user, digests, authorization);
        change.author.make(&self.environment, renew).await?;
        Ok(codes)
    }
}
