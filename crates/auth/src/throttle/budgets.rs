//! What an attempt at a password or a second factor is charged to, until it is known what came of it.

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::budget::{BudgetKey, Charge, Receipt};
use thunderhead_domain::challenge::{Challenge, ChallengeId};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{ChallengeCharge, StorageError};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;
use tokio::time::{Sleep, sleep};

use crate::environment::Environment;
use crate::error::InternalError;
use crate::settings::{LoginErrors, Policy};
use crate::throttle::account_locks::{AccountGuard, AccountLocks, LockTimeout};
use crate::throttle::failed_logins::FailedLoginRecorder;
use crate::tokens::keys::EncryptionKey;

/// Hashes what strangers type, so that it can have a failure budget without being stored.
struct NameHasher {
    mac: Hmac<Sha256>,
}

impl NameHasher {
    fn new(key: &EncryptionKey) -> Self {
        Self { mac: key.mac_for(b"thunderhead: names that belong to nobody\0") }
    }

    /// Spellings that differ by case alone, or by white space around them, are one.
    fn hash(&self, typed: &str) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(typed.trim().to_lowercase().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Who attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AttemptBy<'a> {
    /// A live session that reverifies.
    Session(SessionUuid),
    /// Somebody who logs in.
    Client {
        /// What they have typed to say who they are.
        typed: &'a str,
        /// What their program calls itself.
        agent: Option<&'a str>,
    },
}

/// What an attempt was charged. While this is held, no other attempt under the same budget is checked in this process.
#[derive(Debug)]
pub(crate) struct Charged {
    budget: BudgetKey,
    /// The challenge that was charged as well.
    challenge: Option<ChallengeId>,
    receipt: Receipt,
    _guard: AccountGuard,
}

impl Charged {
    pub(crate) const fn budget(&self) -> &BudgetKey {
        &self.budget
    }

    /// Takes the charge back, where what was right led to nothing: it neither counts nor clears.
    pub(crate) async fn refund(self, environment: &Environment) -> Result<(), StorageError> {
        match self.challenge {
            Some(challenge) => environment.storage.challenge_refund(challenge, self.receipt).await,
            None => environment.storage.budget_refund(&self.budget, self.receipt).await,
        }
    }

    /// For a proof that was right and led to nothing by no fault of the prover. A right password has proved an identity
    /// all the same; the answer to a challenge proves it only by being spent.
    pub(crate) async fn complete(self, environment: &Environment) -> Result<(), StorageError> {
        match self.challenge {
            None => environment.storage.budget_clear(&self.budget).await,
            Some(_) => self.refund(environment).await,
        }
    }
}

/// A turn at an account, for which nothing was charged yet.
pub(crate) struct Turn {
    budget: BudgetKey,
    guard: AccountGuard,
}

/// Why an attempt may not be checked.
#[derive(Debug)]
pub(crate) enum ChargeError {
    /// The budget is used up for this many milliseconds.
    Throttled(i64),
    Internal(InternalError),
}

impl<F: Into<InternalError>> From<F> for ChargeError {
    fn from(error: F) -> Self {
        Self::Internal(error.into())
    }
}

/// Charges attempts to failure budgets, one after the other at each account, and records those that failed.
pub(crate) struct Throttle {
    environment: Environment,
    locks: AccountLocks,
    patience: Duration,
    names: NameHasher,
    login_errors: LoginErrors,
    pub(crate) failed_logins: FailedLoginRecorder,
}

impl Throttle {
    pub(crate) fn new(environment: Environment, policy: &Policy, key: &EncryptionKey) -> Self {
        Self {
            environment,
            locks: AccountLocks::new(policy.account_lock_timeout),
            patience: policy.attempt_timeout,
            names: NameHasher::new(key),
            login_errors: policy.login_errors,
            failed_logins: FailedLoginRecorder::default(),
        }
    }

    /// What an attempt is charged to. `known_network` is the client's network, if the account is used from it.
    pub(crate) fn budget_of(
        &self,
        user: Option<UserId>,
        by: AttemptBy<'_>,
        known_network: Option<Network>,
    ) -> Option<BudgetKey> {
        match (user, by, known_network, self.login_errors) {
            (Some(user), AttemptBy::Session(session), ..) => Some(BudgetKey::Session(user, session)),
            (None, AttemptBy::Session(_), ..) => None,
            (Some(user), AttemptBy::Client { .. }, Some(network), _) => Some(BudgetKey::Network(user, network)),
            (user, AttemptBy::Client { typed, .. }, _, LoginErrors::Uniform) => {
                Some(BudgetKey::Typed(self.names.hash(typed), user))
            }
            (user, AttemptBy::Client { .. }, None, LoginErrors::Detailed) => user.map(BudgetKey::Account),
            (None, AttemptBy::Client { .. }, Some(_), LoginErrors::Detailed) => None,
        }
    }

    /// The budget of an attempt at a second factor: of the session where it is live, else as of a login.
    pub(crate) async fn budget_of_session(
        &self,
        session: &Session,
        client_ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<BudgetKey, StorageError> {
        let user = session.user;
        if !session.second_factor_pending {
            return Ok(BudgetKey::Session(user, session.uuid));
        }
        match client_ip.map(Network::of) {
            Some(network) if self.environment.storage.network_is_known(user, network, now).await? => {
                Ok(BudgetKey::Network(user, network))
            }
            _ => Ok(BudgetKey::Account(user)),
        }
    }

    /// Ends when an attempt that begins now has waited for long enough: for its turn at the account, and for a thread. Where
    /// its hash costs more than those that are made here, those before it take longer, too.
    pub(crate) fn patience(&self, is_costly: bool) -> Sleep {
        sleep(self.patience * if is_costly { 10 } else { 1 })
    }

    /// Waits for a turn at the account.
    pub(crate) async fn turn(&self, budget: BudgetKey) -> Result<Turn, LockTimeout> {
        let guard = self.locks.enter(&budget).await?;
        Ok(Turn { budget, guard })
    }

    /// Charges the account's budget the attempt that comes next as if it were wrong.
    pub(crate) async fn charge(&self, turn: Turn, action: ActionContext) -> Result<Charged, ChargeError> {
        let Turn { budget, guard } = turn;
        let action = ActionContext { at: self.environment.now(), ..action };
        match self.environment.storage.budget_charge(&budget, action).await? {
            Charge::Admitted(receipt) => Ok(Charged { budget, challenge: None, receipt, _guard: guard }),
            Charge::Wait(millis) => Err(ChargeError::Throttled(millis)),
        }
    }

    /// The same, in its turn, with the answer to a challenge, which is charged to the challenge and to its budget; `None`
    /// where it cannot be answered any more.
    pub(crate) async fn charge_answer(
        &self,
        challenge: &Challenge,
        action: ActionContext,
    ) -> Result<Option<Charged>, ChargeError> {
        let guard = self.locks.enter(&challenge.budget).await?;
        let action = ActionContext { at: self.environment.now(), ..action };
        match self.environment.storage.challenge_charge(challenge.id, action).await? {
            ChallengeCharge::Closed => Ok(None),
            ChallengeCharge::Wait(millis) => Err(ChargeError::Throttled(millis)),
            ChallengeCharge::Admitted(receipt) => {
                let (budget, challenge) = (challenge.budget.clone(), Some(challenge.id));
                Ok(Some(Charged { budget, challenge, receipt, _guard: guard }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::budget::Budget;
    use thunderhead_domain::session::Actor;
    use thunderhead_testkit::{TestDatabase, block_on};
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;
    use crate::testing::{NOW, Replica, SameByte, policy};

    const ACTION: ActionContext = ActionContext { at: NOW, by: Actor::Stranger, client_ip: None };

    fn throttle(replica: &Replica, login_errors: LoginErrors) -> Throttle {
        let policy = Policy { login_errors, ..policy() };
        Throttle::new(replica.environment.clone(), &policy, &EncryptionKey::generate(&SameByte(1)))
    }

    fn client(typed: &str) -> AttemptBy<'_> {
        AttemptBy::Client { typed, agent: None }
    }

    #[test]
    fn an_attempt_is_charged_to_its_session_its_network_or_what_strangers_share() {
        let database = TestDatabase::sqlite();
        let replica = Replica::of(&database, 1);
        let [uniform, detailed] =
            [LoginErrors::Uniform, LoginErrors::Detailed].map(|errors| throttle(&replica, errors));
        let user = UserId::from_number(1_600_000_000_000);
        let ada = Some(user);
        let session = SessionUuid(Uuid::from_u128(7));
        let here = Network::of([192, 0, 2, 7].into());
        let by_session = AttemptBy::Session(session);
        for throttle in [&uniform, &detailed] {
            let budget = |user, by, network| throttle.budget_of(user, by, network);
            assert_eq!(budget(ada, by_session, None), Some(BudgetKey::Session(user, session)));
            assert_eq!(budget(ada, by_session, Some(here)), Some(BudgetKey::Session(user, session)));
            assert_eq!(budget(None, by_session, None), None);
            assert_eq!(budget(ada, client("ada"), Some(here)), Some(BudgetKey::Network(user, here)));
        }
        assert_eq!(detailed.budget_of(ada, client("ada"), None), Some(BudgetKey::Account(user)));
        assert_eq!(detailed.budget_of(None, client("ada"), None), None);
        assert_eq!(detailed.budget_of(None, client("ada"), Some(here)), None);
        let typed = |user, name| match uniform.budget_of(user, client(name), None) {
            Some(BudgetKey::Typed(hash, found)) if found == user => hash,
            other => panic!("{other:?}"),
        };
        assert_eq!(typed(ada, "ada"), typed(None, " ADA\t"), "whether somebody has the name makes no difference");
        assert_ne!(typed(ada, "ada"), typed(ada, "eve"));
        let elsewhere = NameHasher::new(&EncryptionKey::generate(&SameByte(2)));
        assert_ne!(elsewhere.hash("ada"), typed(None, "ada"), "nobody can tell the names without the key");
    }

    #[test]
    fn a_pending_factor_is_charged_as_a_login_and_a_live_session_for_itself() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let throttle = throttle(&replica, LoginErrors::Detailed);
            let [here, there] = [[192, 0, 2, 7], [198, 51, 100, 7]].map(|address| Some(IpAddr::from(address)));
            let mut session = replica.register_from("ada", None, here).await.session;
            let user = session.user;
            let live = throttle.budget_of_session(&session, here, NOW).await.unwrap();
            assert_eq!(live, BudgetKey::Session(user, session.uuid));
            session.second_factor_pending = true;
            for (address, expected) in [
                (here, BudgetKey::Network(user, Network::of(here.unwrap()))),
                (there, BudgetKey::Account(user)),
                (None, BudgetKey::Account(user)),
            ] {
                assert_eq!(throttle.budget_of_session(&session, address, NOW).await.unwrap(), expected, "{address:?}");
            }
        });
    }

    #[test]
    fn an_attempt_waits_ten_times_as_long_where_hashes_are_costly() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let throttle = throttle(&Replica::of(&database, 1), LoginErrors::Detailed);
            let begun = Instant::now();
            let [ordinary, costly] = [false, true].map(|costly| throttle.patience(costly).deadline() - begun);
            let [hundred, thousand] = [100, 1_000].map(Duration::from_secs);
            assert!((hundred..hundred * 2).contains(&ordinary) && (thousand..thousand * 2).contains(&costly));
        });
    }

    #[test]
    fn failures_wait_when_the_budget_is_used_up_and_a_completed_proof_forgets_them() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let throttle = throttle(&replica, LoginErrors::Detailed);
            let key = BudgetKey::Account(replica.register("ada", None).await.user.id);
            let charge = async || {
                let turn = throttle.turn(key.clone()).await.unwrap();
                throttle.charge(turn, ACTION).await
            };
            for failures in 1..=10 {
                let charged = charge().await.unwrap();
                assert_eq!((charged.receipt.after.failures, charged.budget()), (failures, &key));
            }
            assert!(matches!(charge().await, Err(ChargeError::Throttled(1_000))));
            // By the clock, and not by when the request came.
            replica.clock.turn_to(1_000);
            let charged = charge().await.unwrap();
            assert_eq!(charged.receipt.after.last_at, NOW.plus_seconds(1));
            charged.refund(&replica.environment).await.unwrap();
            let charged = charge().await.unwrap();
            assert_eq!(charged.receipt.before, Some(Budget { failures: 10, last_at: NOW }));
            charged.complete(&replica.environment).await.unwrap();
            assert_eq!(charge().await.unwrap().receipt.before, None);
        });
    }
}
