//! The use cases: log in, register, reverify, issue, look up and end sessions.
//!
//! Everything here works on the ports of `thunderhead-domain`. This crate reads no clock and draws no random
//! number by itself, knows no database and no HTTP. A use case is found by the folder of its topic; [`Auth`] puts the
//! topics together.

pub mod accounts;
pub mod cache;
pub mod changes;
pub mod credentials;
pub mod email;
pub mod error;
pub mod export;
pub mod factors;
pub mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod import;
pub mod operator;
pub mod origin;
pub mod search;
pub mod services;
pub mod sessions;
pub mod settings;
pub mod status;
pub mod switches;
pub mod throttle;
pub mod tokens;
pub mod webhooks;
pub mod work;
pub mod write_check;

mod environment;
mod metrics;
mod sync;
#[cfg(test)]
mod testing;
mod unreadable;

use std::sync::Arc;

use thunderhead_domain::ports::{Clock, Random, Storage, StorageError, WebhookSender};

use crate::accounts::register::Registrations;
use crate::accounts::update::AccountManager;
use crate::cache::lookup::SessionLookup;
use crate::credentials::challenge::ChallengeChecks;
use crate::credentials::checks::ProofChecks;
use crate::credentials::confirm::Confirmations;
use crate::credentials::link::LinkManager;
use crate::credentials::new_password::NewPasswords;
use crate::credentials::passkey::Passkeys;
use crate::credentials::password::PasswordHasher;
use crate::credentials::password_attempt::PasswordAttempts;
use crate::credentials::reverify::Reverification;
use crate::credentials::webauthn::SecurityKeys;
use crate::environment::Environment;
use crate::factors::enrolment::Enrolment;
use crate::factors::manage::FactorManager;
use crate::feed::EventFeed;
use crate::search::Search;
use crate::services::ServiceAccess;
use crate::sessions::SessionManager;
use crate::sessions::login::Logins;
use crate::sessions::opening::SessionMaker;
use crate::sessions::pass::Passes;
use crate::sessions::scoped::ScopedSessions;
use crate::settings::{CacheSettings, Policy};
use crate::switches::Switches;
use crate::throttle::budgets::Throttle;
use crate::tokens::flow::Flows;
use crate::tokens::form::Forms;
use crate::tokens::keys::EncryptionKeys;
use crate::tokens::token::TokenSigner;
use crate::tokens::verification::Tokens;
use crate::webhooks::delivery::WebhookDelivery;
use crate::webhooks::manage::WebhookManager;
use crate::webhooks::message::EventRendering;
use crate::work::WorkPool;
use crate::write_check::WriteCheck;

/// What the use cases are made of.
pub struct Parts {
    /// The database.
    pub storage: Arc<dyn Storage>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub random: Arc<dyn Random>,
    /// Checks and makes password hashes.
    pub hasher: PasswordHasher,
    /// Estimates new passwords: apart from hashing, so that no login waits for registrations.
    pub estimating: WorkPool,
    /// Signs and verifies tokens.
    pub tokens: TokenSigner,
    /// The keys of what is encrypted at rest. Names that do not exist are hashed under the first.
    pub encryption_keys: EncryptionKeys,
    /// Registers and checks security keys; knows the name that authenticator apps show.
    pub security_keys: SecurityKeys,
    /// Posts webhooks.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// What events look like to other services.
    pub render_event: EventRendering,
    /// What is cached of sessions.
    pub cache_settings: CacheSettings,
    /// The settings.
    pub policy: Policy,
}

/// The use cases over one storage, by topic.
pub struct Auth {
    /// The session check.
    pub lookup: Arc<SessionLookup>,
    /// Logins, and their second step.
    pub logins: Logins,
    /// Challenges to passkeys.
    pub passkeys: Arc<Passkeys>,
    /// Proofs of identity before sensitive changes.
    pub reverification: Arc<Reverification>,
    /// Confirmed sessions.
    pub confirmations: Confirmations,
    /// One-time links.
    pub links: LinkManager,
    /// Seeing and ending sessions.
    pub sessions: SessionManager,
    /// What browsers show to applications.
    pub passes: Passes,
    /// Sessions for programs.
    pub scoped_sessions: ScopedSessions,
    /// Making accounts.
    pub registrations: Registrations,
    /// Seeing, changing and deleting accounts.
    pub accounts: AccountManager,
    /// Estimating and setting new passwords.
    pub new_passwords: NewPasswords,
    /// Seeing and removing second factors.
    pub factors: FactorManager,
    /// Enrolling second factors.
    pub enrolment: Enrolment,
    /// What staff search.
    pub search: Search,
    /// Kill switches.
    pub switches: Switches,
    /// What other services ask.
    pub services: ServiceAccess,
    /// What other services are told of.
    pub feed: Arc<EventFeed>,
    /// Endpoints of webhooks, for staff.
    pub webhooks: WebhookManager,
    /// The delivery of webhooks.
    pub webhook_delivery: WebhookDelivery,
    /// Tokens and their published keys.
    pub tokens: Arc<Tokens>,
    /// Login flows of the Kratos dialect.
    pub flows: Flows,
    /// Forms of pages that are good once.
    pub forms: Arc<Forms>,
    /// Whether the database takes changes.
    pub write_check: WriteCheck,
    throttle: Arc<Throttle>,
    environment: Environment,
    policy: Policy,
}

impl Auth {
    /// Puts the use cases together.
    pub fn new(parts: Parts) -> Self {
        metrics::register();
        let Parts {
            storage, clock, random, hasher, estimating, tokens, encryption_keys, cache_settings, policy, ..
        } = parts;
        let environment = Environment { storage, clock, random };
        let security_keys = Arc::new(parts.security_keys);
        let tokens = Arc::new(Tokens::new(environment.clone(), tokens));
        let throttle = Arc::new(Throttle::new(environment.clone(), &policy, encryption_keys.primary()));
        let attempts = Arc::new(PasswordAttempts::new(environment.clone(), hasher.clone(), Arc::clone(&throttle)));
        let challenges = Arc::new(ChallengeChecks::new(
            environment.clone(),
            Arc::clone(&tokens),
            Arc::clone(&throttle),
            Arc::clone(&security_keys),
            encryption_keys.clone(),
        ));
        let maker = Arc::new(SessionMaker::new(environment.clone(), hasher.work_pool(), policy.sessions));
        let passkeys =
            Arc::new(Passkeys::new(environment.clone(), encryption_keys.primary(), Arc::clone(&security_keys)));
        let checks = ProofChecks { attempts, challenges: Arc::clone(&challenges), passkeys: Arc::clone(&passkeys) };
        let reverification = Arc::new(Reverification::new(environment.clone(), checks.clone()));
        let lookup = Arc::new(SessionLookup::new(environment.clone(), Arc::clone(&tokens), cache_settings));
        let forms = Arc::new(Forms::new(
            Arc::clone(&environment.clock),
            Arc::clone(&environment.random),
            encryption_keys.primary(),
        ));
        let feed = Arc::new(EventFeed::new(environment.clone()));
        let webhook_delivery = WebhookDelivery::new(
            environment.clone(),
            Arc::clone(&feed),
            encryption_keys.clone(),
            parts.webhook_sender,
            parts.render_event,
        );
        Self {
            logins: Logins::new(
                environment.clone(),
                policy,
                checks,
                Arc::clone(&throttle),
                Arc::clone(&tokens),
                Arc::clone(&maker),
            ),
            confirmations: Confirmations::new(environment.clone(), policy.confirm_for, Arc::clone(&reverification)),
            reverification,
            links: LinkManager::new(environment.clone(), hasher.clone(), Arc::clone(&forms), Arc::clone(&passkeys)),
            passes: Passes::new(environment.clone()),
            sessions: SessionManager::new(environment.clone(), Arc::clone(&tokens)),
            scoped_sessions: ScopedSessions::new(
                environment.clone(),
                Arc::clone(&tokens),
                Arc::clone(&maker),
                Arc::clone(&forms),
            ),
            registrations: Registrations::new(environment.clone(), policy, hasher.clone(), Arc::clone(&tokens), maker),
            accounts: AccountManager::new(environment.clone()),
            new_passwords: NewPasswords::new(environment.clone(), hasher, estimating),
            factors: FactorManager::new(environment.clone()),
            flows: Flows::new(environment.clone(), encryption_keys.primary()),
            forms,
            passkeys,
            enrolment: Enrolment::new(
                environment.clone(),
                Arc::clone(&tokens),
                challenges,
                security_keys,
                encryption_keys,
            ),
            search: Search::new(environment.clone(), Arc::clone(&tokens)),
            switches: Switches::new(environment.clone()),
            webhooks: WebhookManager::new(environment.clone(), Arc::clone(&feed)),
            webhook_delivery,
            feed,
            services: ServiceAccess::new(environment.clone(), Arc::clone(&lookup)),
            write_check: WriteCheck::new(environment.clone()),
            lookup,
            tokens,
            throttle,
            environment,
            policy,
        }
    }

    /// The settings that the authorization needs.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The clock that every decision is made by.
    pub fn clock(&self) -> &dyn Clock {
        &*self.environment.clock
    }

    /// Counts the failed logins noted since the last call. The composition root calls this every second or so, and once
    /// more at shutdown.
    ///
    /// # Errors
    /// Where the database is away; what was not counted is counted with the next call.
    pub async fn flush_failures(&self) -> Result<(), StorageError> {
        self.throttle.failed_logins.flush(&*self.environment.storage).await
    }
}
