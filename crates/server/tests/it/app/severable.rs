//! A storage whose line to the database can be cut, altogether or for one operation alone, and that lets a test
//! do something just before an operation, or between its commit and the news of it.

use std::sync::{Arc, Mutex};
use std::thread;

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditCursor, AuditFilter, AuditRecord};
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::budget::{BudgetKey, Charge, Receipt};
use thunderhead_domain::challenge::{Challenge, ChallengeId, NewChallenge};
use thunderhead_domain::change_authorization::{ChangeAuthorization, Refusal};
use thunderhead_domain::event::EventCursor;
use thunderhead_domain::factor::{
    Factor, FactorChoice, FactorId, FactorKeys, NewFactor, OtherSessions, PasskeyAnswer, RightAnswer, UnspentCodes,
    WebauthnKey,
};
use thunderhead_domain::failed_login::FailedLogins;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::import::{ExportedAccount, ImportBatch, ImportOutcome, VerificationKey};
use thunderhead_domain::link::NewLink;
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{
    AccountCreated, AccountName, AccountUpdate, Accounts, AuditTrail, Authority, Backlog, ChallengeCharge, Challenges,
    ChangeCursor, ChangeRounds, Changes, CommitStamp, Enrolled, Factors, FailedLoginCounts, FailureBudgets, Feed,
    FeedPage, FeedQuery, FeedStatus, Imports, Invalidations, KillSwitches, OneTimeLinks, OverCap, Overdue, Page,
    PageRequest, PageStart, Registered, ReplacedToken, Resealed, Retention, SealedText, SealedTexts, Services,
    SessionCursor, SessionFilter, SessionHandle, SessionOf, SessionSearch, Sessions, SigningKeyRecord, SigningKeys,
    StepUp, Storage, StorageError, StorageStatus, Stored, TokenReplacement, WebhookAdded, Webhooks,
};
use thunderhead_domain::search::{KeysetPage, UsernamePrefix};
use thunderhead_domain::service::{EventAccess, Service, ServiceName};
use thunderhead_domain::session::{Authentication, EndReason, NewSession, Session, SessionKey, TokenDigest};
use thunderhead_domain::switch::{KillSwitch, SwitchSet, TurnedSwitch};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordCredential, PasswordHash, User, Username};
use thunderhead_domain::webhook::{Webhook, WebhookId, WebhookLease, WebhookName, WebhookProgress, WebhookSecrets};

/// What does not come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    Everything,
    /// The operation of this name.
    Operation(&'static str),
}

/// Passes everything on but what is cut, which is an outage.
pub(crate) struct Severable(Arc<Line>);

/// What is passed on, and what is not.
struct Line {
    inner: Arc<dyn Storage>,
    cut: Mutex<Cut>,
    /// How often the operation that is cut was asked for.
    hits: Mutex<u32>,
    interlude: Mutex<Option<(Moment, &'static str, Interlude)>>,
    /// What was asked for since somebody last wanted to know.
    asked: Mutex<Vec<&'static str>>,
}

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

/// What is done before or after an operation.
type Interlude = Box<dyn FnOnce(&dyn Storage) + Send>;

impl Severable {
    pub(crate) fn new(inner: Arc<dyn Storage>) -> Self {
        Self(Arc::new(Line {
            inner,
            cut: Mutex::new(Cut::Nothing),
            hits: Mutex::new(0),
            interlude: Mutex::new(None),
            asked: Mutex::default(),
        }))
    }

    /// Cuts, or mends. Returns how often the last cut was run into.
    pub(crate) fn cut(&self, cut: Cut) -> u32 {
        *self.0.cut.lock().unwrap() = cut;
        std::mem::take(&mut *self.0.hits.lock().unwrap())
    }

    /// The operations that were asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.asked.lock().unwrap())
    }

    /// Does something, once, just before the next operation of this name, as another request might.
    pub(crate) fn before(&self, operation: &'static str, act: impl FnOnce(&dyn Storage) + Send + 'static) {
        *self.0.interlude.lock().unwrap() = Some((Moment::Before, operation, Box::new(act)));
    }

    /// Does something, once, when the next operation of this name is over, and before whoever asked for it knows.
    pub(crate) fn after(&self, operation: &'static str, act: impl FnOnce(&dyn Storage) + Send + 'static) {
        *self.0.interlude.lock().unwrap() = Some((Moment::After, operation, Box::new(act)));
    }

    fn reach(&self, operation: &'static str) -> Stored<&dyn Storage> {
        self.0.reach(operation)
    }

    fn interrupt(&self, moment: Moment, operation: &'static str) {
        self.0.interrupt(moment, operation);
    }
}

impl Line {
    fn reach(&self, operation: &'static str) -> Stored<&dyn Storage> {
        self.asked.lock().unwrap().push(operation);
        let cut = *self.cut.lock().unwrap();
        if cut == Cut::Everything || cut == Cut::Operation(operation) {
            *self.hits.lock().unwrap() += 1;
            return Err(StorageError::Outage("the line was cut".into()));
        }
        self.interrupt(Moment::Before, operation);
        Ok(&*self.inner)
    }

    fn changes_are_seen_at_once(&self) -> bool {
        let expected = self.interlude.lock().unwrap().as_ref().is_some_and(|(_, name, _)| *name == "changes_since");
        *self.cut.lock().unwrap() == Cut::Nothing && !expected
    }

    fn interrupt(&self, moment: Moment, operation: &'static str) {
        let now = |(when, awaited, _): &mut (Moment, &'static str, Interlude)| (*when, *awaited) == (moment, operation);
        let act = self.interlude.lock().unwrap().take_if(now);
        if let Some((.., act)) = act {
            // On a thread of its own, because it has an async runtime of its own.
            thread::scope(|scope| scope.spawn(|| act(&*self.inner)).join()).expect("an interlude that succeeds");
        }
    }
}

/// Implements a port by passing each operation on.
macro_rules! pass_on {
    ($port:ident: $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        #[async_trait]
        impl $port for Severable {
            $(async fn $name(&self, $($argument: $type),*) -> Stored<$result> {
                let result = self.reach(stringify!($name))?.$name($($argument),*).await;
                self.interrupt(Moment::After, stringify!($name));
                result
            })+
        }
    };
}

pass_on! { Accounts:
    account_create(account: NewAccount, action: ActionContext) -> AccountCreated;
    account_register(account: NewAccount, session: NewSession) -> Registered;
    account_find(name: AccountName) -> Option<User>;
    account_id(name: AccountName) -> Option<UserId>;
    account_credential(name: AccountName) -> Option<(User, PasswordCredential)>;
    account_attempted(name: AccountName, network: Network, now: Timestamp) -> Option<(User, PasswordCredential, bool)>;
    network_is_known(user: UserId, network: Network, now: Timestamp) -> bool;
    account_page(page: PageRequest) -> Page<User>;
    account_newest(limit: u32) -> Vec<User>;
    account_find_some(users: &[UserId]) -> Vec<User>;
    account_search(prefix: UsernamePrefix, after: Option<Username>, limit: u32) -> Vec<User>;
    account_search_count(prefix: UsernamePrefix, most: u32) -> u64;
    account_rename(user: UserId, name: Username, authorization: ChangeAuthorization) -> Result<User, Refusal>;
    account_readdress(user: UserId, email: EmailAddress, authorization: ChangeAuthorization) -> Result<User, Refusal>;
    account_set_password(user: UserId, hash: PasswordHash, authorization: ChangeAuthorization) -> Result<AccountUpdate, Refusal>;
    account_remove_password(user: UserId, nobodys: PasswordHash, authorization: ChangeAuthorization) -> Result<AccountUpdate, Refusal>;
    account_rehash(user: UserId, version: i64, hash: PasswordHash) -> ();
    account_set_verified(user: UserId, verified: bool, authorization: ChangeAuthorization) -> Result<User, Refusal>;
    account_ban(user: UserId, reason: Option<String>, authorization: ChangeAuthorization) -> Result<AccountUpdate, Refusal>;
    account_unban(user: UserId, authorization: ChangeAuthorization) -> Result<Option<User>, Refusal>;
    account_set_staff(user: UserId, staff: bool, authorization: ChangeAuthorization) -> Result<Option<User>, Refusal>;
    account_delete(user: UserId, authorization: ChangeAuthorization) -> Result<(), Refusal>;
    account_delete_some(users: &[UserId], authorization: ChangeAuthorization) -> Result<u64, Refusal>;
}

pass_on! { Sessions:
    session_open(user: UserId, version: i64, answer: Option<RightAnswer>, session: NewSession) -> Result<Session, Refusal>;
    session_open_by_passkey(user: UserId, answer: PasskeyAnswer, session: NewSession) -> Result<Session, Refusal>;
    session_open_from(user: UserId, session: NewSession, authorization: ChangeAuthorization) -> Result<Session, Refusal>;
    session_authority(key: Option<SessionKey>) -> Authority;
    session_find(user: UserId, id: SessionId, now: Timestamp) -> Option<Session>;
    session_page(user: UserId, page: PageRequest, now: Timestamp) -> Page<Session>;
    session_page_but(user: UserId, but: Option<SessionUuid>, start: PageStart, limit: u32, now: Timestamp) -> Page<Session>;
    session_list(filter: SessionFilter, start: PageStart, limit: u32, now: Timestamp) -> Vec<AuthenticatedSession>;
    session_search(search: SessionSearch, after: Option<SessionCursor>, limit: u32, now: Timestamp) -> KeysetPage<AuthenticatedSession, SessionCursor>;
    session_locate_some(filter: SessionFilter, limit: u32, now: Timestamp) -> Vec<SessionOf>;
    session_count(filter: SessionFilter, now: Timestamp) -> u64;
    session_recently_ended(user: UserId, limit: u32, now: Timestamp) -> Vec<Session>;
    session_step_up(user: UserId, session: SessionUuid, step_up: StepUp, action: ActionContext) -> Result<Session, Refusal>;
    session_confirm(session: SessionUuid, user: UserId, token: TokenReplacement, shown: &[Authentication], authorization: ChangeAuthorization) -> Result<Session, Refusal>;
    token_was_replaced(token: TokenDigest, since: Timestamp) -> bool;
    token_find_replaced(token: TokenDigest) -> Option<ReplacedToken>;
    session_set_pass(session: SessionUuid, user: UserId, pass: TokenDigest, now: Timestamp) -> bool;
    session_extend(session: SessionUuid, until: Timestamp, action: ActionContext) -> Option<Session>;
    session_find_any(uuid: SessionUuid) -> Option<Session>;
    session_find_with_user(uuid: SessionUuid) -> Option<AuthenticatedSession>;
    session_locate(session: SessionHandle) -> Option<SessionOf>;
    session_end(user: UserId, id: SessionId, why: EndReason, action: ActionContext) -> bool;
    session_end_some(user: UserId, ids: &[SessionId], why: EndReason, action: ActionContext) -> u64;
    session_end_all(user: UserId, why: EndReason, action: ActionContext) -> u64;
    session_end_others(user: UserId, keep: SessionUuid, why: EndReason, action: ActionContext) -> u64;
    session_end_everywhere(before: Timestamp, why: EndReason, action: ActionContext) -> u64;
    session_record_uses(uses: &[(SessionUuid, Timestamp)]) -> ();
}

#[async_trait]
impl Changes for Severable {
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations> {
        let result = self.reach("changes_since")?.changes_since(known).await;
        self.interrupt(Moment::After, "changes_since");
        result
    }

    fn read_in_rounds(&self, rounds: Box<dyn ChangeRounds>) {
        self.0.inner.read_in_rounds(Box::new(SeverableRounds { rounds, line: Arc::clone(&self.0), is_cut: false }));
    }

    /// What is to happen at a read of the changes happens there.
    fn changes_at_once(&self, known: &ChangeCursor) -> Option<Invalidations> {
        self.0.inner.changes_at_once(known).filter(|_| self.0.changes_are_seen_at_once())
    }

    fn commit_stamp(&self) -> Option<CommitStamp> {
        self.0.inner.commit_stamp().filter(|_| self.0.changes_are_seen_at_once())
    }
}

/// Reads of the changes, of which each counts as one.
struct SeverableRounds {
    rounds: Box<dyn ChangeRounds>,
    line: Arc<Line>,
    is_cut: bool,
}

impl ChangeRounds for SeverableRounds {
    fn begin(&mut self) -> Option<ChangeCursor> {
        let known = self.rounds.begin()?;
        self.is_cut = self.line.reach("changes_since").is_err();
        Some(known)
    }

    fn end(&mut self, changes: Stored<Invalidations>) {
        if self.is_cut {
            self.rounds.end(Err(StorageError::Outage("the line was cut".into())));
        } else {
            self.line.interrupt(Moment::After, "changes_since");
            self.rounds.end(changes);
        }
    }
}

pass_on! { KillSwitches:
    switches() -> SwitchSet;
    switches_turned() -> Vec<TurnedSwitch>;
    switch_set(switch: KillSwitch, on: bool, authorization: ChangeAuthorization) -> Result<SwitchSet, Refusal>;
    switch_clear(authorization: ChangeAuthorization) -> Result<SwitchSet, Refusal>;
}

pass_on! { FailureBudgets:
    budget_charge(key: &BudgetKey, action: ActionContext) -> Charge;
    budget_refund(key: &BudgetKey, receipt: Receipt) -> ();
    budget_clear(key: &BudgetKey) -> ();
    budget_unlock(user: UserId, action: ActionContext) -> bool;
}

pass_on! { FailedLoginCounts:
    failed_logins_add(counts: &[FailedLogins]) -> ();
    failed_logins_close(before: Timestamp) -> u64;
    failed_logins_newest(limit: u32) -> Vec<FailedLogins>;
}

pass_on! { OneTimeLinks:
    link_create(link: NewLink, authorization: ChangeAuthorization) -> Result<(), Refusal>;
    link_find(link: TokenDigest, now: Timestamp) -> Option<User>;
    link_use_for_passkey(user: UserId, link: TokenDigest, nobodys: PasswordHash, passkey: NewFactor, codes: Vec<TokenDigest>, action: ActionContext) -> Result<Factor, Refusal>;
    link_use(user: UserId, link: TokenDigest, password: PasswordHash, action: ActionContext) -> Result<AccountUpdate, Refusal>;
}

pass_on! { Webhooks:
    webhook_add(webhook: Webhook, action: ActionContext) -> WebhookAdded;
    webhook_find(name: &WebhookName) -> Option<Webhook>;
    webhook_list() -> Vec<Webhook>;
    webhook_remove(name: &WebhookName, action: ActionContext) -> bool;
    webhook_rotate(id: WebhookId, sealed: &str, secrets: WebhookSecrets, action: ActionContext) -> bool;
    webhook_resume(id: WebhookId, from: Option<EventCursor>, action: ActionContext) -> bool;
    webhook_lease(id: WebhookId, over: Option<Timestamp>, now: Timestamp, until: Timestamp) -> Option<(WebhookLease, Webhook)>;
    webhook_save(lease: WebhookLease, progress: WebhookProgress, until: Option<Timestamp>) -> bool;
    webhook_release(lease: WebhookLease) -> ();
}

pass_on! { Challenges:
    challenge_create(challenge: NewChallenge) -> ();
    challenge_create_for(challenge: NewChallenge, authorization: ChangeAuthorization) -> Result<(), Refusal>;
    challenge_find(id: ChallengeId) -> Option<Challenge>;
    challenge_charge(id: ChallengeId, action: ActionContext) -> ChallengeCharge;
    challenge_refund(id: ChallengeId, receipt: Receipt) -> ();
}

pass_on! { Factors:
    factor_find(user: UserId, id: FactorId) -> Option<Factor>;
    factor_page(user: UserId, page: PageRequest) -> Page<Factor>;
    factor_list(user: UserId) -> Vec<Factor>;
    backup_codes_left(user: UserId) -> UnspentCodes;
    factor_keys(user: UserId) -> FactorKeys;
    passkey_find(user: UserUuid, credential_id: &[u8], network: Option<Network>, now: Timestamp) -> Option<(User, WebauthnKey, bool)>;
    factor_add(user: UserId, factor: NewFactor, codes: Vec<TokenDigest>, others: OtherSessions, authorization: ChangeAuthorization) -> Result<Enrolled, Refusal>;
    factor_remove(user: UserId, which: FactorChoice, others: OtherSessions, authorization: ChangeAuthorization) -> Result<u64, Refusal>;
    backup_codes_renew(user: UserId, codes: Vec<TokenDigest>, authorization: ChangeAuthorization) -> Result<(), Refusal>;
}

pass_on! { SigningKeys:
    signing_keys() -> Vec<SigningKeyRecord>;
    signing_key_first(key: SigningKeyRecord) -> Vec<SigningKeyRecord>;
    signing_key_add(key: SigningKeyRecord, action: ActionContext) -> Vec<SigningKeyRecord>;
}

pass_on! { Imports:
    import_batch(batch: ImportBatch, action: ActionContext) -> Vec<ImportOutcome>;
    import_rehearse(batch: ImportBatch) -> Vec<ImportOutcome>;
    import_record(summary: &str, action: ActionContext) -> ();
    verification_keys() -> Vec<VerificationKey>;
    account_export(after: Option<UserId>, limit: u32) -> Vec<ExportedAccount>;
}

pass_on! { SealedTexts:
    sealed_texts() -> Vec<SealedText>;
    sealed_replace(texts: Vec<Resealed>, action: ActionContext) -> u64;
}

pass_on! { Services:
    service_create(name: ServiceName, secret: TokenDigest, events: EventAccess, action: ActionContext) -> bool;
    service_find(name: &ServiceName) -> Option<Service>;
    service_list() -> Vec<Service>;
    service_record_uses(uses: &[(ServiceName, Timestamp)]) -> ();
    service_revoke(name: &ServiceName, action: ActionContext) -> bool;
}

pass_on! { AuditTrail:
    audit_page(filter: AuditFilter, page: PageRequest) -> Page<AuditRecord>;
    audit_search(filter: AuditFilter, after: Option<AuditCursor>, limit: u32) -> KeysetPage<AuditRecord, AuditCursor>;
}

pass_on! { Feed:
    feed_status() -> FeedStatus;
    feed_number() -> u64;
    feed_page(query: FeedQuery) -> FeedPage;
}

pass_on! { Retention:
    prune_sessions(before: Timestamp) -> u64;
    prune_audit(before: Timestamp) -> u64;
    prune_budgets(before: Timestamp) -> u64;
    prune_networks(before: Timestamp) -> u64;
    prune_devices(before: Timestamp) -> u64;
    prune_challenges(before: Timestamp) -> u64;
    prune_links(before: Timestamp) -> u64;
    prune_replaced_tokens(before: Timestamp) -> u64;
    prune_verification_keys(now: Timestamp) -> u64;
    prune_signing_keys(retired_before: Timestamp, now: Timestamp) -> u64;
}

pass_on! { Backlog:
    write_ends() -> u64;
    delete_removed() -> u64;
    sessions_over_cap(now: Timestamp) -> Option<OverCap>;
    session_end_over_cap(user: UserId, sessions: &[SessionUuid], action: ActionContext) -> u64;
    sessions_overdue(after: Option<UserId>, by: Timestamp) -> KeysetPage<Overdue, UserId>;
    session_end_overdue(sessions: &[Overdue], now: Timestamp) -> u64;
}

#[async_trait]
impl Storage for Severable {
    async fn ping(&self) -> Stored<()> {
        self.reach("ping")?.ping().await
    }

    async fn write_probe(&self) -> Stored<()> {
        self.reach("write_probe")?.write_probe().await
    }

    /// What is known without asking the database is known without a line to it.
    fn status(&self) -> StorageStatus {
        self.0.inner.status()
    }
}
