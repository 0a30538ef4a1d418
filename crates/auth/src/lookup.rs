//! Finding out who calls: from the token, and from what is remembered of its session or, where that is not enough,
//! from one read of its row.

use std::sync::Arc;

use metrics::Counter;
use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::judgement::{Bearer, Caller};
use thunderhead_domain::ports::{Clock, Storage, StorageFault};
use thunderhead_domain::session::{SessionKey, TokenDigest};
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::time::Timestamp;

use crate::freshness::Freshness;
use crate::keys::KeyFault;
use crate::memory::{Memory, Remembered};
use crate::token::{LONGEST, Purpose, TokenFault, digest};
use crate::{Auth, Remembering, meter};

/// What one look tells of a request.
#[derive(Debug)]
pub struct Finding {
    /// Who calls.
    pub caller: Caller,
    /// Which kill switches are on.
    pub switches: SwitchSet,
}

/// What is remembered, and what keeps it fresh.
pub(crate) struct Recollection {
    memory: Arc<Memory>,
    freshness: Arc<Freshness>,
    hits: Counter,
    misses: Counter,
}

/// What is known of a token before its session is read.
struct Verified {
    token: TokenDigest,
    /// The signing keys by which it was verified, or is going to be.
    generation: u32,
    /// Where it leads to, if it was verified.
    key: Option<SessionKey>,
}

impl Recollection {
    /// `None` where nothing is to be remembered.
    pub(crate) fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, settings: Remembering) -> Option<Self> {
        let memory = Arc::new(Memory::new((settings.bytes > 0).then_some(settings.bytes)?));
        let Remembering { max_staleness_millis, deadline, .. } = settings;
        let freshness = Freshness::new(storage, clock, Arc::clone(&memory), deadline, max_staleness_millis);
        let (hits, misses) = (meter::lookups("memory"), meter::lookups("database"));
        Some(Self { memory, freshness: Arc::new(freshness), hits, misses })
    }
}

impl Auth {
    /// Looks up the caller behind a token, and the kill switches. `None` is a request without a credential.
    ///
    /// # Errors
    /// Where the database is away: that is never an unknown caller.
    pub async fn look_up(&self, token: Option<&str>) -> Result<Finding, StorageFault> {
        // In boxes: what is seldom needed must not make every request's future larger.
        match (&self.remembered, token) {
            (None, _) => Box::pin(self.look_up_stored(token)).await,
            (Some(remembered), Some(text)) if text.len() <= LONGEST => self.look_up_remembered(remembered, text).await,
            (Some(remembered), _) => {
                let switches = Box::pin(self.switches_remembered(remembered)).await?;
                // A text that is too long is no token.
                let caller = if token.is_some() { Caller::Rejected } else { Caller::Nobody };
                Ok(Finding { caller, switches })
            }
        }
    }

    async fn look_up_stored(&self, token: Option<&str>) -> Result<Finding, StorageFault> {
        let wanted = match token {
            Some(text) => self.session_key(text, self.clock.now()).await?,
            None => None,
        };
        if wanted.is_some() {
            meter::lookups("database").increment(1);
        }
        let authority = self.storage.session_authority(wanted).await?;
        if token.is_none() {
            return Ok(Finding { caller: Caller::Nobody, switches: authority.switches });
        }
        Ok(self.found(authority.bearer.map(Arc::new), authority.switches).0)
    }

    async fn switches_remembered(&self, remembered: &Recollection) -> Result<SwitchSet, StorageFault> {
        let memory = &remembered.memory;
        if memory.switches().is_some() {
            remembered.freshness.assure().await?;
            if let Some(switches) = memory.switches() {
                return Ok(switches);
            }
        }
        let as_of = memory.latest();
        let switches = self.storage.session_authority(None).await?.switches;
        memory.remember_switches(switches, as_of);
        Ok(switches)
    }

    async fn look_up_remembered(&self, remembered: &Recollection, text: &str) -> Result<Finding, StorageFault> {
        let Recollection { memory, freshness, hits, .. } = remembered;
        let token = digest(text);
        let generation = self.tokens.generation();
        let recall = || memory.recall(&token).filter(|recalled| recalled.generation == generation);
        let recalled = recall();
        let verified = recalled.as_ref().map(Remembered::key);
        if let Some(recalled) = recalled {
            freshness.assure().await?;
            let believe = |recalled| self.believe(memory, token, recalled);
            // Where it does not hold, another request may have read it anew meanwhile.
            if let Some(found) = believe(recalled).or_else(|| recall().and_then(believe)) {
                hits.increment(1);
                return Ok(found);
            }
        }
        Box::pin(self.look_up_anew(remembered, text, Verified { token, generation, key: verified })).await
    }

    /// Reads the session of a token, and remembers it.
    async fn look_up_anew(
        &self,
        remembered: &Recollection,
        text: &str,
        Verified { token, generation, key }: Verified,
    ) -> Result<Finding, StorageFault> {
        let Recollection { memory, misses, .. } = remembered;
        let key = match key {
            Some(key) => key,
            None => match self.session_key(text, self.clock.now()).await? {
                Some(key) => key,
                // A text that is no token has no row to be read.
                None => return Ok(self.found(None, self.switches_remembered(remembered).await?).0),
            },
        };
        misses.increment(1);
        // What changes from here on is learnt later than what is read, and outdates it.
        let as_of = memory.latest();
        let authority = self.storage.session_authority(Some(key)).await?;
        memory.remember_switches(authority.switches, as_of);
        let (found, noted) = self.found(authority.bearer.map(Arc::new), authority.switches);
        if let Caller::Live(bearer) = &found.caller {
            let remembered = Remembered { bearer: Arc::clone(bearer), generation, as_of };
            memory.remember(token, noted.map_or_else(|| remembered.clone(), |now| remembered.used_at(now)));
        }
        Ok(found)
    }

    /// What is remembered of a token, if it still holds.
    fn believe(&self, memory: &Memory, token: TokenDigest, remembered: Remembered) -> Option<Finding> {
        let switches = memory.switches_if_holds(&remembered)?;
        let (found, noted) = self.found(Some(Arc::clone(&remembered.bearer)), switches);
        if let Some(now) = noted {
            memory.remember(token, remembered.used_at(now));
        }
        Some(found)
    }

    /// What a genuine token's session is worth now, or a text that is no token. Notes that a live session is used, and
    /// returns when, if that is to be recorded.
    fn found(&self, bearer: Option<Arc<Bearer>>, switches: SwitchSet) -> (Finding, Option<Timestamp>) {
        let now = self.clock.now();
        let caller = Caller::of(bearer, now);
        let noted = caller.live().filter(|bearer| self.usage.note(&bearer.session, now)).map(|_| now);
        (Finding { caller, switches }, noted)
    }

    /// Where a token leads to.
    pub(crate) async fn session_key(&self, token: &str, now: Timestamp) -> Result<Option<SessionKey>, StorageFault> {
        Ok(self.verified(now, || self.tokens.session_key(token, now)).await?.ok())
    }

    /// The challenge that a token of this purpose stands for.
    pub(crate) async fn verified_challenge(
        &self,
        token: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ChallengeId, TokenFault>, StorageFault> {
        self.verified(now, || self.tokens.challenge(token, purpose, now)).await
    }

    /// Verifies a token. One that names a signing key of which this replica has not heard may have been signed by
    /// another one that has.
    async fn verified<T>(
        &self,
        now: Timestamp,
        verify: impl Fn() -> Result<T, TokenFault>,
    ) -> Result<Result<T, TokenFault>, StorageFault> {
        let mut verified = verify();
        if matches!(verified, Err(TokenFault::UnknownKey)) && self.tokens.may_ask(now) {
            self.refresh_keys().await?;
            verified = verify();
        }
        match verified {
            Err(fault @ TokenFault::UnreadableKey) => Err(StorageFault::Unreadable(fault.into())),
            verified => Ok(verified),
        }
    }

    /// Takes over the signing keys that are stored now. The composition root calls this every few seconds, so that
    /// every replica knows a new key before any token is signed with it.
    ///
    /// # Errors
    /// Where the database is away. Where no key can be read, those that were known stay.
    pub async fn refresh_keys(&self) -> Result<(), StorageFault> {
        match self.tokens.refresh(&*self.storage).await {
            Ok(()) => Ok(()),
            Err(KeyFault::Storage(fault)) => Err(fault),
            Err(fault @ (KeyFault::Sealed { .. } | KeyFault::Crypto(_))) => {
                tracing::error!(error = %fault, "the signing keys were not refreshed");
                Ok(())
            }
        }
    }
}
