//! What the operator does on the command line: accounts and kill switches, when nobody need be logged in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditRecord};
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::factor::{Factor, FactorChoice, FactorId, OtherSessions};
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::import::VerificationKey;
use thunderhead_domain::ports::{
    AccountCreated, AccountName, Clock, Page, PageRequest, Random, SessionCursor, SessionSearch, SigningKeyRecord,
    Storage, StorageError,
};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::service::{EventAccess, InvalidServiceName, Service, ServiceName};
use thunderhead_domain::session::{Actor, Session};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{InvalidUsername, NewAccount, User, Username};
use uuid::Uuid;

use crate::accounts::update::AccountManager;
use crate::changes::target::{OtherUser, System};
use crate::changes::{Change, ChangeError};
use crate::credentials::link::{self, OneTimeLink};
use crate::credentials::new_password::set_password;
use crate::credentials::password::rules::{NewPassword, UnacceptablePassword};
use crate::credentials::password::{Password, PasswordHasher, StoredHash};
use crate::email::{InvalidEmail, existing_email, parse_email};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::factors::manage::{FactorManager, UserFactors};
use crate::feed::EventFeed;
use crate::search;
use crate::search::account_query::AccountQuery;
use crate::services::ServiceSecret;
use crate::sessions::of_all::AllSessions;
use crate::sessions::of_user::{Ender, UserSessions};
use crate::switches::Switches;
use crate::tokens::keys::{EncryptionKeys, SigningKeyError, next_key, reseal, unseal};
use crate::webhooks::manage::WebhookManager;
use crate::work::queue::JobOwner;

/// An account that the operator makes.
#[derive(Debug)]
pub struct AccountForm {
    /// The name.
    pub username: String,
    /// The address.
    pub email: String,
    /// The password.
    pub password: Password,
    /// Whether the user is staff from the start.
    pub staff: bool,
}

/// An account that the operator makes for somebody who is to set the password.
#[derive(Debug)]
pub struct Invitation {
    /// The name.
    pub username: String,
    /// The address.
    pub email: String,
    /// Whether the user is staff from the start.
    pub staff: bool,
}

/// A user, as far as their row can be read: what takes something from them does not depend on that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// Their id.
    pub id: UserId,
    /// The rest; `None` where the row cannot be read.
    pub user: Option<User>,
}

impl fmt::Display for KnownUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => user.username.fmt(f),
            None => write!(f, "user {} (unreadable)", self.id),
        }
    }
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The name cannot be one.
    #[error(transparent)]
    Username(#[from] InvalidUsername),
    /// The address cannot be one.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// The password must not be set.
    #[error(transparent)]
    Password(#[from] UnacceptablePassword),
    /// The name or the address is taken.
    #[error("the name or the address is taken")]
    Taken,
    /// There is no such user.
    #[error("there is no user {0}")]
    UnknownUser(String),
    /// They have no such factor.
    #[error("the user has no factor {0}")]
    UnknownFactor(FactorId),
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownSession(SessionUuid),
    /// The name cannot be a service's.
    #[error(transparent)]
    ServiceName(#[from] InvalidServiceName),
    /// There is, or was, a service of this name.
    #[error("the service name {0} is taken")]
    ServiceTaken(ServiceName),
    /// There is no such service, or it is revoked.
    #[error("there is no service {0}")]
    UnknownService(ServiceName),
    /// The change was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A signing key could not be made.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The server is at fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<ChangeError> for OperatorError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refusal) => Self::Refused(refusal),
            ChangeError::Internal(InternalError::Storage(error)) => Self::Storage(error),
            ChangeError::Internal(error) => Self::Internal(error),
        }
    }
}

/// Hashes that are looked at together.
const HASHES: u32 = 1_000;

/// The operator's use cases.
pub struct Operator {
    environment: Environment,
    accounts: AccountManager,
    factors: FactorManager,
    switches: Switches,
}

impl Operator {
    /// Over one storage.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let environment = Environment { storage, clock, random };
        Self {
            accounts: AccountManager::new(environment.clone()),
            factors: FactorManager::new(environment.clone()),
            switches: Switches::new(environment.clone()),
            environment,
        }
    }

    /// Makes an account.
    pub async fn account_create(&self, hasher: &PasswordHasher, form: AccountForm) -> Result<User, OperatorError> {
        let username = Username::try_from(form.username)?;
        let email = parse_email(&form.email)?;
        let password = NewPassword::new(form.password, &[username.as_str(), email.as_str()])?;
        let password = hasher.hash(JobOwner::Known, password).await.map_err(InternalError::from)?;
        let uuid = UserUuid(self.environment.new_uuid());
        let at = self.environment.now();
        self.create(NewAccount { uuid, username, email, password, has_password: true, staff: form.staff, at }).await
    }

    async fn create(&self, account: NewAccount) -> Result<User, OperatorError> {
        match self.environment.storage.account_create(account, self.action()).await? {
            AccountCreated::Created(user) => Ok(user),
            AccountCreated::Taken => Err(OperatorError::Taken),
        }
    }

    /// Makes an account whose user sets the password by a link: until then there is none.
    pub async fn account_invite(
        &self,
        hasher: &PasswordHasher,
        invitation: Invitation,
    ) -> Result<(User, OneTimeLink), OperatorError> {
        let username = Username::try_from(invitation.username)?;
        let email = parse_email(&invitation.email)?;
        let (uuid, password) = (UserUuid(self.environment.new_uuid()), hasher.hash_of_nobody());
        let (staff, at) = (invitation.staff, self.environment.now());
        let new = NewAccount { uuid, username, email, password, has_password: false, staff, at };
        let user = self.create(new).await?;
        let link = link::create(&self.environment, Change::by_operator(OtherUser(user.id))).await?;
        Ok((user, link))
    }

    /// Makes a link by which a user sets a password.
    pub async fn link_create(&self, name_or_id: &str) -> Result<(KnownUser, OneTimeLink), OperatorError> {
        let user = self.known_account(name_or_id).await?;
        let link = of_user(link::create(&self.environment, Change::by_operator(OtherUser(user.id))).await, name_or_id)?;
        Ok((user, link))
    }

    /// The user of this name, id or address.
    pub async fn account(&self, user: &str) -> Result<User, OperatorError> {
        self.environment.storage.account_find(account_name(user)?).await?.ok_or_else(|| unknown(user))
    }

    /// The same, whether or not their row can be read.
    pub async fn known_account(&self, user: &str) -> Result<KnownUser, OperatorError> {
        let id = self.account_id(user).await?;
        match self.environment.storage.account_find(AccountName::Id(id)).await {
            Ok(None) => Err(unknown(user)),
            Ok(found) => Ok(KnownUser { id, user: found }),
            Err(StorageError::Unreadable(_)) => Ok(KnownUser { id, user: None }),
            Err(error) => Err(error.into()),
        }
    }

    async fn account_id(&self, user: &str) -> Result<UserId, OperatorError> {
        self.environment.storage.account_id(account_name(user)?).await?.ok_or_else(|| unknown(user))
    }

    /// The user that a query names, or else those whose names begin with it, by name, behind `after`.
    pub async fn account_search(
        &self,
        query: &AccountQuery,
        after: Option<Username>,
        limit: u32,
    ) -> Result<KeysetPage<User, Username>, OperatorError> {
        Ok(search::accounts(&self.environment, query, after, limit).await?)
    }

    /// A page of all users, newest first.
    pub async fn account_list(&self, page: PageRequest) -> Result<Page<User>, OperatorError> {
        Ok(self.environment.storage.account_page(page).await?)
    }

    /// How many accounts have a password with a hash of each kind, whatever number of them there is.
    pub async fn hash_formats(&self, hasher: &PasswordHasher) -> Result<BTreeMap<StoredHash, u64>, OperatorError> {
        let (mut counts, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.environment.storage.account_export(after, HASHES).await?;
            for hash in page.iter().filter_map(|account| account.password.as_ref()) {
                *counts.entry(hasher.describe(hash)).or_insert(0) += 1;
            }
            match page.last() {
                Some(last) => after = Some(last.user.id),
                None => return Ok(counts),
            }
        }
    }

    /// Bans a user; returns them and how many sessions that ended.
    pub async fn account_ban(
        &self,
        name_or_id: &str,
        reason: Option<String>,
    ) -> Result<(KnownUser, u64), OperatorError> {
        let id = self.account_id(name_or_id).await?;
        let update = of_user(self.accounts.ban(Change::by_operator(OtherUser(id)), reason).await, name_or_id)?;
        Ok((KnownUser { id, user: update.user }, update.sessions_ended))
    }

    /// Lifts a ban.
    pub async fn account_unban(&self, name_or_id: &str) -> Result<KnownUser, OperatorError> {
        let id = self.account_id(name_or_id).await?;
        let user = of_user(self.accounts.unban(Change::by_operator(id)).await, name_or_id)?;
        Ok(KnownUser { id, user })
    }

    /// Says whether a user's address was found to be theirs.
    pub async fn account_set_verified(&self, user: &str, verified: bool) -> Result<User, OperatorError> {
        let found = self.account(user).await?;
        of_user(self.accounts.set_verified(Change::by_operator(found.id), verified).await, user)
    }

    /// Forgets all failed attempts at a user's account, so that nobody has to wait; `false` where there were none.
    pub async fn account_unlock(&self, user: &str) -> Result<(KnownUser, bool), OperatorError> {
        let user = self.known_account(user).await?;
        let unlocked = self.environment.storage.budget_unlock(user.id, self.action()).await?;
        Ok((user, unlocked))
    }

    /// Makes a user staff. Staff endpoints stay closed until they have a second factor.
    pub async fn account_promote(&self, name_or_id: &str) -> Result<KnownUser, OperatorError> {
        let id = self.account_id(name_or_id).await?;
        let user = of_user(self.accounts.promote(Change::by_operator(id)).await, name_or_id)?;
        Ok(KnownUser { id, user })
    }

    /// Makes a user no longer staff.
    pub async fn account_demote(&self, name_or_id: &str) -> Result<KnownUser, OperatorError> {
        let id = self.account_id(name_or_id).await?;
        let user = of_user(self.accounts.demote(Change::by_operator(OtherUser(id))).await, name_or_id)?;
        Ok(KnownUser { id, user })
    }

    /// Sets a user's password, which ends all their sessions.
    pub async fn account_set_password(
        &self,
        hasher: &PasswordHasher,
        name_or_id: &str,
        password: Password,
    ) -> Result<(KnownUser, u64), OperatorError> {
        let KnownUser { id, user } = self.known_account(name_or_id).await?;
        let own: Vec<&str> = user.iter().flat_map(|user| [user.username.as_str(), user.email.as_str()]).collect();
        let password = NewPassword::new(password, &own)?;
        let set = set_password(&self.environment, hasher, Change::by_operator(id), password);
        let update = of_user(set.await, name_or_id)?;
        Ok((KnownUser { id, user: update.user }, update.sessions_ended))
    }

    /// Deletes a user with all their sessions.
    pub async fn account_delete(&self, name_or_id: &str) -> Result<KnownUser, OperatorError> {
        let user = self.known_account(name_or_id).await?;
        of_user(self.accounts.delete(Change::by_operator(OtherUser(user.id))).await, name_or_id)?;
        Ok(user)
    }

    /// A user's second factors, newest first.
    pub async fn factor_list(&self, name_or_id: &str, page: PageRequest) -> Result<Page<Factor>, OperatorError> {
        let user = self.account_id(name_or_id).await?;
        Ok(UserFactors { environment: &self.environment, user }.list(page).await?)
    }

    /// Removes one second factor of a user, and with the last one the backup codes.
    pub async fn factor_remove(&self, name_or_id: &str, factor: FactorId) -> Result<(), OperatorError> {
        let user = self.account_id(name_or_id).await?;
        let (change, one) = (Change::by_operator(OtherUser(user)), FactorChoice::One(factor));
        match self.factors.remove(change, one, OtherSessions::Stay).await {
            Err(ChangeError::Refused(Refusal::UnknownFactor)) => Err(OperatorError::UnknownFactor(factor)),
            other => of_user(other, name_or_id).map(drop),
        }
    }

    /// Removes all second factors of a user who has lost them; returns how many.
    pub async fn factor_reset(&self, name_or_id: &str) -> Result<u64, OperatorError> {
        let user = self.account_id(name_or_id).await?;
        let change = Change::by_operator(OtherUser(user));
        of_user(self.factors.remove(change, FactorChoice::All, OtherSessions::Stay).await, name_or_id)
    }

    /// Sessions that are searched for, newest first, from a place on. There may be more behind a page that is not full.
    pub async fn session_search(
        &self,
        search: SessionSearch,
        after: Option<SessionCursor>,
        limit: u32,
    ) -> Result<KeysetPage<AuthenticatedSession, SessionCursor>, OperatorError> {
        Ok(search::sessions(&self.environment, search, after, limit).await?)
    }

    /// Whose sessions are searched for: the user of this name, id or address, or of this uuid where nobody has that name.
    pub async fn session_owner(&self, user: &str) -> Result<UserId, OperatorError> {
        match (self.account_id(user).await, user.parse::<Uuid>()) {
            (Err(OperatorError::UnknownUser(_)), Ok(uuid)) => {
                let name = AccountName::Uuid(UserUuid(uuid));
                self.environment.storage.account_id(name).await?.ok_or_else(|| unknown(user))
            }
            (found, _) => found,
        }
    }

    /// A session by its uuid, also one that is over.
    pub async fn session(&self, uuid: SessionUuid) -> Result<Session, OperatorError> {
        self.sessions().find(uuid).await?.ok_or(OperatorError::UnknownSession(uuid))
    }

    /// Ends a session by its uuid; `false` where it was over already.
    pub async fn session_end(&self, uuid: SessionUuid) -> Result<bool, OperatorError> {
        self.sessions().end(uuid).await?.ok_or(OperatorError::UnknownSession(uuid))
    }

    /// Ends all sessions of a user; returns how many.
    pub async fn session_end_all(&self, name_or_id: &str) -> Result<u64, OperatorError> {
        Ok(self.sessions_of(name_or_id).await?.end_all().await?)
    }

    /// Ends everybody's sessions that were made before a moment, or until now; returns how many.
    pub async fn session_end_everywhere(&self, before: Option<Timestamp>) -> Result<u64, OperatorError> {
        Ok(self.sessions().end_before(before).await?)
    }

    const fn sessions(&self) -> AllSessions<'_> {
        AllSessions { environment: &self.environment, ender: Ender::operator(), current: None }
    }

    async fn sessions_of(&self, name_or_id: &str) -> Result<UserSessions<'_>, OperatorError> {
        let user = self.account_id(name_or_id).await?;
        Ok(UserSessions { environment: &self.environment, user, ender: Ender::operator(), current: None })
    }

    /// A page of the audit trail, newest first.
    pub async fn audit_list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditRecord>, OperatorError> {
        Ok(self.environment.storage.audit_page(filter, page).await?)
    }

    /// All signing keys, newest first.
    pub async fn key_list(&self) -> Result<Vec<SigningKeyRecord>, OperatorError> {
        Ok(self.environment.storage.signing_keys().await?)
    }

    /// The keys that came with imported sessions, which verify tokens of those and nothing else.
    pub async fn verification_key_list(&self) -> Result<Vec<VerificationKey>, OperatorError> {
        Ok(self.environment.storage.verification_keys().await?)
    }

    /// Makes a new signing key, which takes over once everybody knows it. Nobody is logged out. Returns all
    /// keys, newest first.
    pub async fn key_rotate(&self, encryption_keys: &EncryptionKeys) -> Result<Vec<SigningKeyRecord>, OperatorError> {
        // A key that the replicas could not decrypt would log out whoever got a token signed with it.
        for known in self.environment.storage.signing_keys().await? {
            unseal(known, encryption_keys)?;
        }
        let key = next_key(encryption_keys, self.environment.now(), &*self.environment.random)?;
        Ok(self.environment.storage.signing_key_add(key, self.action()).await?)
    }

    /// Encrypts everything that is stored encrypted under the first encryption key, unless it is so already; returns
    /// how much that was. Where something cannot be decrypted, nothing is changed.
    pub async fn key_reseal(&self, encryption_keys: &EncryptionKeys) -> Result<u64, OperatorError> {
        Ok(reseal(&*self.environment.storage, encryption_keys, &self.action()).await?)
    }

    /// Makes a service known; returns its secret, which is not stored and not shown again.
    pub async fn service_create(&self, name: &str, events: EventAccess) -> Result<ServiceSecret, OperatorError> {
        let name = ServiceName::try_from(name.to_owned())?;
        let secret = ServiceSecret::generate(&*self.environment.random);
        if self.environment.storage.service_create(name.clone(), secret.digest(), events, self.action()).await? {
            Ok(secret)
        } else {
            Err(OperatorError::ServiceTaken(name))
        }
    }

    /// All services, by name.
    pub async fn service_list(&self) -> Result<Vec<Service>, OperatorError> {
        Ok(self.environment.storage.service_list().await?)
    }

    /// Revokes a service: from the next request on it is told nothing.
    pub async fn service_revoke(&self, name: &str) -> Result<(), OperatorError> {
        let name = ServiceName::existing(name.to_owned())?;
        if self.environment.storage.service_revoke(&name, self.action()).await? {
            Ok(())
        } else {
            Err(OperatorError::UnknownService(name))
        }
    }

    /// Endpoints of webhooks.
    pub fn webhooks(&self) -> WebhookManager {
        WebhookManager::new(self.environment.clone(), Arc::new(EventFeed::new(self.environment.clone())))
    }

    /// Which kill switches are on.
    pub async fn switches(&self) -> Result<SwitchSet, OperatorError> {
        Ok(self.environment.storage.switches().await?)
    }

    /// Turns a kill switch on or off; returns which are on afterwards.
    pub async fn switch_set(&self, switch: KillSwitch, on: bool) -> Result<SwitchSet, OperatorError> {
        Ok(self.switches.set(Change::by_operator(System), switch, on).await?)
    }

    fn action(&self) -> ActionContext {
        ActionContext { at: self.environment.now(), by: Actor::CommandLine, client_ip: None }
    }
}

/// What a name, an id or an address means. No text can be two of them.
fn account_name(user: &str) -> Result<AccountName, OperatorError> {
    if let Ok(id) = user.parse::<UserId>() {
        Ok(AccountName::Id(id))
    } else if let Ok(name) = Username::existing(user.to_owned()) {
        Ok(AccountName::Username(name))
    } else {
        existing_email(user).map(AccountName::Email).map_err(|_| unknown(user))
    }
}

fn unknown(user: &str) -> OperatorError {
    OperatorError::UnknownUser(user.to_owned())
}

/// What came of something that is done to a user, who may be gone by now.
fn of_user<T>(outcome: Result<T, ChangeError>, name_or_id: &str) -> Result<T, OperatorError> {
    outcome.map_err(|error| match error {
        ChangeError::Refused(Refusal::Gone) => unknown(name_or_id),
        error => error.into(),
    })
}
