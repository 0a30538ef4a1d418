//! The use cases: log in, register, reverify, issue, look up and end sessions.
//!
//! Everything here works on the ports of `thunderhead-domain`. This crate reads no clock and draws no random
//! number by itself, knows no database and no HTTP. One file holds one use case, as a method of [`Auth`].

pub mod accounts;
pub mod cache;
pub mod credentials;
pub mod error;
pub mod factors;
pub mod operator;
pub mod origin;
pub mod services;
pub mod sessions;
pub mod switches;
pub mod throttle;
pub mod tokens;
pub mod work;

mod metrics;
mod unreadable;
mod write_check;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::ports::{Clock, Random, Storage};
use thunderhead_domain::session::Actor;
use uuid::Uuid;

use crate::cache::lookup::FreshCache;
use crate::cache::usage::UsageRecorder;
use crate::credentials::password::PasswordHasher;
use crate::credentials::password_attempt::NameHasher;
use crate::credentials::webauthn::SecurityKeys;
use crate::sessions::name::NameMaker;
use crate::throttle::account_locks::AccountLocks;
use crate::throttle::failures::FailureRecorder;
use crate::tokens::flow::FlowMaker;
use crate::tokens::keys::EncryptionKeys;
use crate::tokens::token::TokenSigner;
use crate::work::WorkPool;
use crate::write_check::WriteCheck;

/// How long sessions live, in seconds (`docs/MODEL.md`, *Lifetimes*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A login of the current dialect, and a registration.
    pub login: i64,
    /// The same with `rememberMe`.
    pub login_remembered: i64,
    /// A scoped session.
    pub scoped: i64,
    /// The same with `longLived`.
    pub scoped_long: i64,
    /// A login of the legacy dialect, without `rememberMe`.
    pub legacy: i64,
    /// A login of the Kratos dialect.
    pub kratos: i64,
}

/// How many sessions a user may have at once (`docs/CONFIGURATION.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Full ones; beyond that the least recently used ends.
    pub sessions: u32,
    /// Scoped ones; beyond that there are no further ones.
    pub tokens: u32,
}

/// What a wrong login tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginErrors {
    /// Whether it was the name or the password.
    Detailed,
    /// Nothing: both answer as an unknown user.
    Uniform,
}

/// Whether strangers may make accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// They may.
    Open,
    /// Only the operator may.
    Closed,
}

/// The settings that the use cases depend on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// How many a user may have at once.
    pub caps: Caps,
    /// What a wrong login tells.
    pub login_errors: LoginErrors,
    /// Whether strangers may make accounts.
    pub registration: Registration,
    /// Whether staff endpoints ask for a second factor.
    pub staff_factor: StaffFactor,
    /// How long an attempt waits for its turn at an account.
    pub account_lock_timeout: Duration,
}

/// How sessions are cached (`docs/ARCHITECTURE.md`, *Fast and never stale*).
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// The bytes that cached sessions may take; 0 is to read every session anew.
    pub bytes: u64,
    /// For how many milliseconds a change elsewhere may go unnoticed; 0 is never.
    pub max_staleness_millis: i64,
    /// How long a request waits to learn what has changed.
    pub deadline: Duration,
}

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
    /// What is cached of sessions.
    pub cache_settings: CacheSettings,
    /// The settings.
    pub policy: Policy,
}

/// The use cases over one storage.
pub struct Auth {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    hasher: PasswordHasher,
    estimating: WorkPool,
    tokens: TokenSigner,
    names: NameMaker,
    typed_names: NameHasher,
    account_locks: AccountLocks,
    usage: UsageRecorder,
    failures: FailureRecorder,
    cached: Option<FreshCache>,
    encryption_keys: EncryptionKeys,
    security_keys: SecurityKeys,
    flows: FlowMaker,
    write_check: WriteCheck,
    policy: Policy,
}

impl Auth {
    /// Puts the use cases together.
    pub fn new(parts: Parts) -> Self {
        metrics::register();
        let (storage, clock) = (Arc::clone(&parts.storage), Arc::clone(&parts.clock));
        Self {
            cached: FreshCache::new(storage, clock, parts.cache_settings),
            names: NameMaker::new(parts.hasher.work_pool()),
            typed_names: NameHasher::new(parts.encryption_keys.primary()),
            flows: FlowMaker::new(parts.encryption_keys.primary()),
            write_check: WriteCheck::default(),
            account_locks: AccountLocks::new(parts.policy.account_lock_timeout),
            usage: UsageRecorder::default(),
            failures: FailureRecorder::default(),
            storage: parts.storage,
            clock: parts.clock,
            random: parts.random,
            hasher: parts.hasher,
            estimating: parts.estimating,
            tokens: parts.tokens,
            encryption_keys: parts.encryption_keys,
            security_keys: parts.security_keys,
            policy: parts.policy,
        }
    }

    /// The settings that the authorization needs.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The clock that every decision is made by.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The public signing keys as a JWK set (RFC 7517).
    pub fn published_keys(&self) -> serde_json::Value {
        self.tokens.published_keys()
    }

    fn action(&self, by: Actor, client_ip: Option<IpAddr>) -> ActionContext {
        ActionContext { at: self.clock.now(), by, client_ip }
    }

    fn new_uuid(&self) -> Uuid {
        random_uuid(&*self.random)
    }
}

/// A version 4 UUID (RFC 9562) from the injected random source.
pub(crate) fn random_uuid(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
