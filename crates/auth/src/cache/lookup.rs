//! Finding out who calls: from the token, and from what is cached of its session or, where that is not enough,
//! from one read of its row.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use metrics::Counter;
use thunderhead_domain::authorization::{AuthenticatedSession, Caller};
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Authority, StorageError, Stored};
use thunderhead_domain::session::{Session, SessionKey, TokenDigest};
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::time::Timestamp;

use crate::cache::freshness::Freshness;
use crate::cache::session_cache::{AsOf, CachedSession, SessionCache, TokenKind};
use crate::cache::usage::UsageRecorder;
use crate::environment::Environment;
use crate::metrics::lookups;
use crate::sessions::pass;
use crate::settings::CacheSettings;
use crate::status::CacheStatus;
use crate::tokens::token::{LONGEST, digest};
use crate::tokens::verification::Tokens;

/// What the session check tells of a request.
#[derive(Debug)]
pub struct Lookup {
    /// Who calls.
    pub caller: Caller,
    /// Which kill switches are on.
    pub switches: SwitchSet,
}

/// A session check. Where what is cached is known to hold it is over before it is waited for, and needs no allocation:
/// what seldom has to be done is in a box, which keeps the futures of requests small.
pub enum LookupFuture<'a> {
    /// What was found, until it is taken.
    Done(Option<Lookup>),
    /// It is not known yet.
    Waiting(Pin<Box<dyn Future<Output = Result<Lookup, StorageError>> + Send + 'a>>),
}

impl<'a> LookupFuture<'a> {
    fn waiting(future: impl Future<Output = Result<Lookup, StorageError>> + Send + 'a) -> Self {
        Self::Waiting(Box::pin(future))
    }
}

impl Future for LookupFuture<'_> {
    type Output = Result<Lookup, StorageError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(found) => found.take().map_or(Poll::Pending, |found| Poll::Ready(Ok(found))),
            Self::Waiting(future) => future.as_mut().poll(context),
        }
    }
}

/// What is cached, and what keeps it fresh.
struct FreshCache {
    cache: Arc<SessionCache>,
    freshness: Arc<Freshness>,
    hits: Counter,
    misses: Counter,
}

/// What somebody shows.
#[derive(Clone, Copy)]
enum Shown<'a> {
    /// A token, signed or opaque.
    Token(&'a str),
    /// A pass. It leads nowhere where a token is asked for, and a token nowhere where a pass is.
    Pass(&'a str),
}

impl<'a> Shown<'a> {
    const fn text(self) -> &'a str {
        match self {
            Self::Token(text) | Self::Pass(text) => text,
        }
    }

    /// Whether a session that is cached under its text was found by such a thing.
    const fn fits(self, kind: TokenKind) -> bool {
        matches!(
            (self, kind),
            (Self::Token(_), TokenKind::Signed | TokenKind::Opaque) | (Self::Pass(_), TokenKind::Pass)
        )
    }
}

/// What is known of a token before its session is read.
struct Verified {
    token: TokenDigest,
    /// The signing keys by which it was verified, or is going to be.
    generation: u32,
    /// Where it leads to, if it was verified.
    key: Option<SessionKey>,
}

impl FreshCache {
    /// `None` where nothing is to be cached.
    fn new(environment: &Environment, settings: CacheSettings) -> Option<Self> {
        let Environment { storage, clock, .. } = environment.clone();
        let cache = Arc::new(SessionCache::new((settings.bytes > 0).then_some(settings.bytes)?));
        let freshness = Freshness::new(storage, clock, Arc::clone(&cache), settings);
        let (hits, misses) = (lookups("cache"), lookups("database"));
        Some(Self { cache, freshness: Arc::new(freshness), hits, misses })
    }

    /// The switches, if what is cached of a session is known to hold without waiting.
    fn switches_at_once(&self, hit: &CachedSession, now: Timestamp) -> Option<SwitchSet> {
        self.freshness.is_sure_at_once(now).then(|| self.cache.switches_if_valid(hit)).flatten()
    }

    /// What is cached of a session, and the switches, if it holds now that all changes from before are known. It is got
    /// after that: another request may have read it anew meanwhile.
    async fn assured(
        &self,
        get: impl Fn() -> Option<CachedSession>,
    ) -> Result<Option<(CachedSession, SwitchSet)>, StorageError> {
        self.freshness.assure().await?;
        Ok(get().and_then(|hit| self.cache.switches_if_valid(&hit).map(|switches| (hit, switches))))
    }

    /// What is read now, and as of when it is true; its switches are cached. What changes from here on is learnt later than
    /// what is read, and outdates it.
    async fn read(&self, read: impl Future<Output = Stored<Authority>>) -> Stored<(Authority, AsOf)> {
        let as_of = self.cache.latest();
        let authority = read.await?;
        self.cache.insert_switches(authority.switches, as_of);
        Ok((authority, as_of))
    }
}

/// The session check.
pub struct SessionLookup {
    environment: Environment,
    tokens: Arc<Tokens>,
    usage: UsageRecorder<SessionUuid>,
    cached: Option<FreshCache>,
}

impl SessionLookup {
    pub(crate) fn new(environment: Environment, tokens: Arc<Tokens>, settings: CacheSettings) -> Self {
        let cached = FreshCache::new(&environment, settings);
        Self { environment, tokens, usage: UsageRecorder::default(), cached }
    }

    /// Looks up the caller behind a token, and the kill switches. `None` is a request without a credential.
    ///
    /// # Errors
    /// Where the database is away: that is never an unknown caller.
    pub fn look_up<'a>(&'a self, token: Option<&'a str>) -> LookupFuture<'a> {
        self.look_up_shown(token.map(Shown::Token))
    }

    /// The same by a pass, which is good for what proxies ask and for nothing else.
    ///
    /// # Errors
    /// Where the database is away.
    pub fn look_up_pass<'a>(&'a self, pass: &'a str) -> LookupFuture<'a> {
        self.look_up_shown(Some(Shown::Pass(pass)))
    }

    fn look_up_shown<'a>(&'a self, shown: Option<Shown<'a>>) -> LookupFuture<'a> {
        match (&self.cached, shown) {
            (None, _) => LookupFuture::waiting(self.look_up_stored(shown)),
            (Some(cached), Some(shown)) if shown.text().len() <= LONGEST => self.look_up_cached(cached, shown),
            (Some(cached), _) => LookupFuture::waiting(async move {
                let switches = self.cached_switches(cached).await?;
                // A text that is too long is no token.
                let caller = if shown.is_some() { Caller::Rejected } else { Caller::Nobody };
                Ok(Lookup { caller, switches })
            }),
        }
    }

    /// What is cached; `None` where nothing is.
    pub(crate) fn cache_status(&self) -> Option<CacheStatus> {
        let FreshCache { cache, freshness, .. } = self.cached.as_ref()?;
        let (sessions, bytes, most_bytes) = cache.size();
        let (asked_at, max_staleness_millis) = freshness.asked_at();
        let latest = cache.latest_change();
        Some(CacheStatus { sessions, bytes, most_bytes, latest, asked_at, max_staleness_millis })
    }

    /// Where it leads to, as far as that can be told without a row.
    async fn session_key(&self, shown: Shown<'_>) -> Result<Option<SessionKey>, StorageError> {
        match shown {
            Shown::Token(text) => self.tokens.session_key(text, self.environment.now()).await,
            Shown::Pass(text) => Ok(pass::session_key(text)),
        }
    }

    async fn look_up_stored(&self, shown: Option<Shown<'_>>) -> Result<Lookup, StorageError> {
        let wanted = match shown {
            Some(shown) => self.session_key(shown).await?,
            None => None,
        };
        if wanted.is_some() {
            lookups("database").increment(1);
        }
        let authority = self.environment.storage.session_authority(wanted).await?;
        if shown.is_none() {
            return Ok(Lookup { caller: Caller::Nobody, switches: authority.switches });
        }
        Ok(self.found(self.stored(authority.authenticated), authority.switches, self.environment.now()).0)
    }

    async fn cached_switches(&self, cached: &FreshCache) -> Result<SwitchSet, StorageError> {
        let cache = &cached.cache;
        if cache.switches().is_some() {
            cached.freshness.assure().await?;
            if let Some(switches) = cache.switches() {
                return Ok(switches);
            }
        }
        let (authority, _) = cached.read(self.environment.storage.session_authority(None)).await?;
        Ok(authority.switches)
    }

    /// From what is cached, where that is known to hold without waiting.
    fn look_up_cached<'a>(&'a self, cached: &'a FreshCache, shown: Shown<'a>) -> LookupFuture<'a> {
        let token = digest(shown.text());
        let generation = self.tokens.signer.generation();
        let get = move || cached.cache.get(&token).filter(|hit| hit.generation == generation && shown.fits(hit.kind));
        let (hit, now) = (get(), self.environment.now());
        let key = hit.as_ref().map(|hit| hit.key(token));
        if let Some(hit) = hit
            && let Some(switches) = cached.switches_at_once(&hit, now)
            && let Some(found) = self.validate(cached, token, (hit, switches), now)
        {
            return LookupFuture::Done(Some(found));
        }
        LookupFuture::waiting(async move {
            if key.is_some() {
                let assured = cached.assured(get).await?;
                let now = self.environment.now();
                if let Some(found) = assured.and_then(|hit| self.validate(cached, token, hit, now)) {
                    return Ok(found);
                }
            }
            self.look_up_anew(cached, shown, Verified { token, generation, key }).await
        })
    }

    /// Reads the session of a token, and caches it.
    async fn look_up_anew(
        &self,
        fresh: &FreshCache,
        shown: Shown<'_>,
        Verified { token, generation, key }: Verified,
    ) -> Result<Lookup, StorageError> {
        let FreshCache { cache, misses, .. } = fresh;
        let key = match key {
            Some(key) => key,
            None => match self.session_key(shown).await? {
                Some(key) => key,
                // A text that is no token has no row to be read.
                None => {
                    let switches = self.cached_switches(fresh).await?;
                    return Ok(Lookup { caller: Caller::Rejected, switches });
                }
            },
        };
        misses.increment(1);
        let (authority, as_of) = fresh.read(self.environment.storage.session_authority(Some(key))).await?;
        let (now, authenticated) = (self.environment.now(), self.stored(authority.authenticated));
        let (found, noted) = self.found(authenticated, authority.switches, now);
        if let Caller::Live(authenticated) = &found.caller {
            let kind = TokenKind::of(key);
            let cached = CachedSession { authenticated: Arc::clone(authenticated), kind, generation, as_of };
            cache.insert(token, noted.map_or_else(|| cached.clone(), |now| cached.used_at(now)));
        }
        Ok(found)
    }

    /// What a session is worth now that is cached and holds.
    fn validate(
        &self,
        FreshCache { cache, hits, .. }: &FreshCache,
        token: TokenDigest,
        (hit, switches): (CachedSession, SwitchSet),
        now: Timestamp,
    ) -> Option<Lookup> {
        if hit.authenticated.session.is_idle(now) {
            // Another replica may have served its user since.
            return None;
        }
        let (found, noted) = self.found(Some(Arc::clone(&hit.authenticated)), switches, now);
        if let Some(now) = noted {
            cache.insert(token, hit.used_at(now));
        }
        hits.increment(1);
        Some(found)
    }

    /// What a genuine token's session is worth now, or a text that is no token. Notes that a live session is used, and
    /// returns when, if that is to be recorded.
    fn found(
        &self,
        authenticated: Option<Arc<AuthenticatedSession>>,
        switches: SwitchSet,
        now: Timestamp,
    ) -> (Lookup, Option<Timestamp>) {
        let caller = Caller::of(authenticated, now);
        let is_noted = |session: &Session| self.usage.note(&session.uuid, session.used_at, now);
        let noted = caller.live().filter(|authenticated| is_noted(&authenticated.session)).map(|_| now);
        (Lookup { caller, switches }, noted)
    }

    /// A session that was read, as of its latest use: this replica may have noted one that is not written yet.
    fn stored(&self, read: Option<AuthenticatedSession>) -> Option<Arc<AuthenticatedSession>> {
        let mut read = read?;
        if read.session.is_idle(self.environment.now()) {
            read.session.used_at = read.session.used_at.max(self.usage.noted(&read.session.uuid));
        }
        Some(Arc::new(read))
    }

    /// Why a session is not live any more that a request was checked by; `None` where it is.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn ended_since(
        &self,
        session: SessionUuid,
        user: UserId,
    ) -> Result<Option<PreconditionFailed>, StorageError> {
        let found = self.environment.storage.session_authority(Some(SessionKey::Uuid(session, user))).await?;
        Ok(match Caller::of(self.stored(found.authenticated), self.environment.now()) {
            Caller::Live(_) => None,
            Caller::Banned => Some(PreconditionFailed::Banned),
            Caller::Nobody | Caller::Ambiguous | Caller::Rejected | Caller::SecondFactorPending(_) => {
                Some(PreconditionFailed::SessionEnded)
            }
        })
    }

    /// Writes when sessions were used since the last call. The composition root calls this every second or so, and once
    /// more at shutdown.
    ///
    /// # Errors
    /// Where the database is away; the next call writes them then.
    pub async fn flush_uses(&self) -> Result<(), StorageError> {
        self.usage.flush(&*self.environment.storage).await
    }
}

#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests;
