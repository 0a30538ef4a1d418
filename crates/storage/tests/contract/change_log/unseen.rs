//! What leaves no change: that no session check sees it.

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::budget::{BudgetKey, Charge, Receipt};
use thunderhead_domain::failed_login::{Attempts, FailedLogins, LoginFailure, LoginTarget};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{ChallengeCharge, Resealed, SigningKeyRecord, Storage, TokenReplacement};
use thunderhead_domain::service::{EventAccess, ServiceName};
use thunderhead_domain::session::{NewSession, Session, SessionKey, SessionStatus};
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Subject, WRITING, latest, nothing, since};
use crate::support::{
    FIRST_CREDENTIAL, Intruder, WHY, account, action, at, challenge, challenge_id, codes, digest, enrol, link, open,
    passkey, passkey_answer, plain, session, user, uuid,
};

on_both_engines!(async: what_leaves_no_change_is_seen_by_no_session_check);

/// When it is done: after what is over has ended or expired, and before anything else does.
const NOW: i64 = 5;
/// After everything has expired.
const LATE: i64 = 5_000_000;
/// The one session that is left of very many.
const KEPT: u128 = 500;

fn now() -> ActionContext {
    action(NOW)
}

async fn what_leaves_no_change_is_seen_by_no_session_check(database: TestDatabase) {
    let storage = database.open();
    let (ada, grace) = scene(&database, &*storage).await;
    for operation in WRITING {
        let (before, known) = (seen(&*storage, ada, grace).await, latest(&*storage).await);
        assert!(write(&*storage, operation, ada).await, "{operation} does nothing here");
        assert_eq!(seen(&*storage, ada, grace).await, before, "a session check sees {operation}");
        assert_eq!(since(&*storage, &known).await, nothing(&known), "{operation}");
    }
}

/// Somebody with sessions of every kind, and somebody of whose very many sessions one is left; and something of all that
/// is over.
async fn scene(database: &TestDatabase, storage: &dyn Storage) -> (UserId, UserId) {
    let ada = Subject::new(storage, 0).await.user;
    storage.challenge_create(challenge(ada, 1)).await.unwrap();
    enrol(storage, ada, passkey(90, 0, false), codes(100)).await;
    open(storage, ada, NewSession { expires_at: at(NOW - 1), ..session(2) }).await;
    let ended = open(storage, ada, session(3)).await;
    assert!(storage.session_end(ada, ended.id, WHY, action(1)).await.unwrap());
    storage.service_create(service("old"), digest(1), EventAccess::Denied, action(0)).await.unwrap();
    open(storage, ada, NewSession { opaque: Some(digest(8)), ..session(4) }).await;
    let token = TokenReplacement { old: digest(8), new: digest(9) };
    storage.session_confirm(uuid(4), ada, token, &[], action(1).into()).await.unwrap().unwrap();

    let grace = user(storage, "grace").await.id;
    open(storage, grace, session(KEPT)).await;
    Intruder::new(database).add_sessions(grace, 1_100);
    assert_eq!(storage.session_end_others(grace, uuid(KEPT), WHY, action(2)).await.unwrap(), 1_100);

    let gone = user(storage, "gone").await.id;
    open(storage, gone, session(600)).await;
    storage.account_delete(gone, action(3).into()).await.unwrap().unwrap();
    (ada, grace)
}

/// What checks of all these sessions find: of those that can be used, all but when they were used last.
async fn seen(storage: &dyn Storage, ada: UserId, grace: UserId) -> Vec<(Option<AuthenticatedSession>, SwitchSet)> {
    let of_ada = [0, 1, 2, 3].map(|number| SessionKey::Uuid(uuid(number), ada));
    let of_grace = [KEPT, 1_000_001].map(|number| SessionKey::Uuid(uuid(number), grace));
    let mut seen = Vec::new();
    for key in of_ada.into_iter().chain(of_grace).chain([SessionKey::Opaque(digest(0))]) {
        let authority = storage.session_authority(Some(key)).await.unwrap();
        let usable = authority.authenticated.filter(|authenticated| {
            matches!(authenticated.session.status(at(NOW)), SessionStatus::Live | SessionStatus::SecondFactorPending)
        });
        let unused = usable.map(|AuthenticatedSession { user, session }| AuthenticatedSession {
            user,
            session: Session { used_at: None, ..session },
        });
        seen.push((unused, authority.switches));
    }
    assert_eq!(seen.iter().filter(|(usable, _)| usable.is_some()).count(), 4);
    seen
}

fn key(kid: &str, made: i64) -> SigningKeyRecord {
    let sealed = format!("sealed {kid}");
    SigningKeyRecord { kid: kid.to_owned(), sealed, created_at: at(made), signs_from: at(made) }
}

fn service(name: &str) -> ServiceName {
    ServiceName::try_from(name.to_owned()).unwrap()
}

fn failed(ada: UserId) -> FailedLogins {
    FailedLogins::one(Attempts::at(at(NOW), LoginTarget::Account(ada), None), LoginFailure::Password, None, at(NOW))
}

async fn charged(storage: &dyn Storage, key: &BudgetKey) -> Receipt {
    match storage.budget_charge(key, now()).await.unwrap() {
        Charge::Admitted(receipt) => receipt,
        Charge::Wait(_) => panic!("the budget is used up"),
    }
}

async fn charged_challenge(storage: &dyn Storage) -> Receipt {
    match storage.challenge_charge(challenge_id(1), now()).await.unwrap() {
        ChallengeCharge::Admitted(receipt) => receipt,
        ChallengeCharge::Wait(_) | ChallengeCharge::Closed => panic!("the challenge cannot be answered"),
    }
}

/// Does it; `false` where it finds nothing to do. In the order in which they are listed, each finds something.
async fn write(storage: &dyn Storage, operation: &str, ada: UserId) -> bool {
    let budget = BudgetKey::Account(ada);
    match operation {
        "account_create" => drop(storage.account_create(account("eve"), now()).await.unwrap()),
        "account_register" => drop(storage.account_register(account("mary"), session(30)).await.unwrap()),
        "account_rehash" => {
            storage.account_rehash(ada, FIRST_CREDENTIAL, PasswordHash::new("the same".to_owned())).await.unwrap();
        }
        "session_open" => drop(open(storage, ada, session(31)).await),
        "session_open_by_passkey" => {
            let answer = passkey_answer(1, 90, 1);
            drop(storage.session_open_by_passkey(ada, answer, session(33)).await.unwrap().unwrap());
        }
        "session_open_from" => {
            drop(storage.session_open_from(ada, session(32), plain(ada, 0, NOW)).await.unwrap().unwrap());
        }
        "session_record_uses" => storage.session_record_uses(&[(uuid(0), at(100_000))]).await.unwrap(),
        "budget_charge" => drop(charged(storage, &budget).await),
        "budget_refund" => {
            let receipt = charged(storage, &budget).await;
            storage.budget_refund(&budget, receipt).await.unwrap();
        }
        "budget_clear" => storage.budget_clear(&budget).await.unwrap(),
        "budget_unlock" => {
            charged(storage, &budget).await;
            return storage.budget_unlock(ada, now()).await.unwrap();
        }
        "failed_logins_add" => storage.failed_logins_add(&[failed(ada)]).await.unwrap(),
        "failed_logins_close" => return storage.failed_logins_close(at(LATE)).await.unwrap() > 0,
        "link_create" => storage.link_create(link(ada, 9), now().into()).await.unwrap().unwrap(),
        "challenge_create" => storage.challenge_create(challenge(ada, 2)).await.unwrap(),
        "challenge_create_for" => {
            storage.challenge_create_for(challenge(ada, 3), plain(ada, 0, NOW)).await.unwrap().unwrap();
        }
        "challenge_charge" => drop(charged_challenge(storage).await),
        "challenge_refund" => {
            let receipt = charged_challenge(storage).await;
            storage.challenge_refund(challenge_id(1), receipt).await.unwrap();
        }
        "backup_codes_renew" => {
            storage.backup_codes_renew(ada, codes(200), plain(ada, 0, NOW)).await.unwrap().unwrap();
        }
        "signing_key_first" => drop(storage.signing_key_first(key("first", 0)).await.unwrap()),
        "signing_key_add" => drop(storage.signing_key_add(key("second", NOW), now()).await.unwrap()),
        "sealed_replace" => {
            let texts = storage.sealed_texts().await.unwrap().into_iter();
            let texts = texts.map(|old| Resealed { old, new: "sealed anew".to_owned() }).collect();
            return storage.sealed_replace(texts, now()).await.unwrap() > 0;
        }
        "import_batch" | "import_record" => crate::imports::write(storage, operation).await,
        "service_create" => {
            return storage.service_create(service("new"), digest(2), EventAccess::Denied, now()).await.unwrap();
        }
        "service_record_uses" => storage.service_record_uses(&[(service("new"), at(NOW))]).await.unwrap(),
        "service_revoke" => return storage.service_revoke(&service("old"), now()).await.unwrap(),
        "feed_number" => return storage.feed_number().await.unwrap() > 0,
        "prune_sessions" => return storage.prune_sessions(at(NOW)).await.unwrap() == 2,
        "prune_audit" => return storage.prune_audit(at(LATE)).await.unwrap() > 0,
        "prune_budgets" => return storage.prune_budgets(at(LATE)).await.unwrap() > 0,
        "prune_networks" => return storage.prune_networks(at(LATE)).await.unwrap() > 0,
        "prune_devices" => return storage.prune_devices(at(LATE)).await.unwrap() > 0,
        "prune_challenges" => return storage.prune_challenges(at(LATE)).await.unwrap() > 0,
        "prune_links" => return storage.prune_links(at(LATE)).await.unwrap() > 0,
        "prune_replaced_tokens" => return storage.prune_replaced_tokens(at(LATE)).await.unwrap() > 0,
        "prune_verification_keys" => return storage.prune_verification_keys(at(LATE)).await.unwrap() > 0,
        "prune_signing_keys" => return storage.prune_signing_keys(at(LATE), at(LATE)).await.unwrap() > 0,
        "write_ends" => return storage.write_ends().await.unwrap() > 0,
        "write_probe" => storage.write_probe().await.unwrap(),
        "delete_removed" => return storage.delete_removed().await.unwrap() > 0,
        _ if operation.starts_with("webhook_") => return crate::webhooks::write(storage, operation).await,
        _ => panic!("it is not said here what {operation} does"),
    }
    true
}
