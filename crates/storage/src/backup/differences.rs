//! What a restoration changes back, found by comparing the backup with the database that it replaces.

use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use thunderhead_domain::time::Timestamp;

/// How many are named of each kind.
const NAMED: usize = 10;

/// What is other in the backup than in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// A ban that was lifted holds again.
    BanReturns,
    /// A ban is gone.
    BanGone,
    /// Rights of staff that were taken are back.
    StaffReturns,
    /// Rights of staff are gone.
    StaffGone,
    /// A former password is good again.
    PasswordReturns,
    /// A former name or address is back.
    NameReturns,
    /// An address that was found to be its user's is not known to be so any more.
    VerificationGone,
    /// An account is there that was deleted, or never was there.
    AccountReturns,
    /// An account is gone.
    AccountGone,
    /// A removed second factor is back.
    FactorReturns,
    /// A second factor is gone.
    FactorGone,
    /// A backup code that was spent or voided is good again.
    CodeReturns,
    /// A challenge or link that was spent can be answered again.
    ChallengeReturns,
    /// A kill switch is on again.
    SwitchReturns,
    /// A kill switch is off again.
    SwitchGone,
    /// A revoked service may ask again.
    ServiceReturns,
    /// A service may not ask any more.
    ServiceGone,
    /// A removed webhook gets events again.
    WebhookReturns,
    /// A webhook is gone.
    WebhookGone,
    /// A signing key is gone: tokens that it signed are no good.
    SigningKeyGone,
    /// A session that had ended is live.
    SessionReturns,
    /// A live session is gone.
    SessionGone,
    /// A record of the audit trail is gone.
    RecordGone,
}

/// One kind of difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub kind: DifferenceKind,
    /// How many.
    pub count: u64,
    /// Some of them: names of users and services, ids of switches and keys. Several may have one name.
    pub names: Vec<String>,
    /// Whether there are more names.
    pub more: bool,
}

/// What holds in a database, as rows of a name and a key: what the backup alone has returns, and what the present
/// database alone has is gone. `{db}` is either of them, `{now}` the moment.
struct Set {
    returns: Option<DifferenceKind>,
    gone: Option<DifferenceKind>,
    rows: &'static str,
}

const fn set(returns: DifferenceKind, gone: DifferenceKind, rows: &'static str) -> Set {
    Set { returns: Some(returns), gone: Some(gone), rows }
}

const SETS: [Set; 11] = [
    set(
        DifferenceKind::BanReturns,
        DifferenceKind::BanGone,
        "SELECT username AS name, uuid AS key FROM {db}.users WHERE banned_at IS NOT NULL",
    ),
    set(
        DifferenceKind::StaffReturns,
        DifferenceKind::StaffGone,
        "SELECT username AS name, uuid AS key FROM {db}.users WHERE staff",
    ),
    set(
        DifferenceKind::AccountReturns,
        DifferenceKind::AccountGone,
        "SELECT username AS name, uuid AS key FROM {db}.users",
    ),
    set(
        DifferenceKind::FactorReturns,
        DifferenceKind::FactorGone,
        "SELECT u.username AS name, f.id AS key FROM {db}.second_factors f JOIN {db}.users u ON u.id = f.user_id",
    ),
    Set {
        returns: Some(DifferenceKind::CodeReturns),
        gone: None,
        rows: "SELECT u.username AS name, c.digest AS key FROM {db}.backup_codes c \
               JOIN {db}.users u ON u.id = c.user_id WHERE c.spent_at IS NULL \
               UNION ALL SELECT u.username, c.code FROM {db}.imported_codes c \
               JOIN {db}.users u ON u.id = c.user_id WHERE c.spent_at IS NULL",
    },
    Set {
        returns: Some(DifferenceKind::ChallengeReturns),
        gone: None,
        rows: "SELECT u.username AS name, c.id AS key FROM {db}.challenges c \
               JOIN {db}.users u ON u.id = c.user_id WHERE NOT c.spent AND c.expires_at > {now} \
               UNION ALL SELECT u.username, l.digest FROM {db}.one_time_links l \
               JOIN {db}.users u ON u.id = l.user_id \
               WHERE l.used_at IS NULL AND l.credential_version = u.credential_version AND l.expires_at > {now}",
    },
    set(
        DifferenceKind::SwitchReturns,
        DifferenceKind::SwitchGone,
        "SELECT CAST(id AS TEXT) AS name, id AS key FROM {db}.kill_switches WHERE is_on",
    ),
    set(
        DifferenceKind::ServiceReturns,
        DifferenceKind::ServiceGone,
        "SELECT name, name AS key FROM {db}.services WHERE revoked_at IS NULL",
    ),
    set(DifferenceKind::WebhookReturns, DifferenceKind::WebhookGone, "SELECT name, id AS key FROM {db}.webhooks"),
    Set {
        returns: None,
        gone: Some(DifferenceKind::SigningKeyGone),
        rows: "SELECT kid AS name, kid AS key FROM {db}.signing_keys",
    },
    set(
        DifferenceKind::SessionReturns,
        DifferenceKind::SessionGone,
        "SELECT u.username AS name, s.uuid AS key FROM {db}.sessions s \
         JOIN {db}.users u ON u.id = s.user_id \
         WHERE s.ended_at IS NULL AND s.generation = u.session_generation AND s.expires_at > {now}",
    ),
];

/// What is other for who is in both, and what is counted by its number.
const CHANGES: [(DifferenceKind, &str); 4] = [
    (DifferenceKind::PasswordReturns, PASSWORDS),
    (
        DifferenceKind::NameReturns,
        "SELECT m.username AS name FROM main.users m JOIN present.users p ON p.uuid = m.uuid \
         WHERE m.username <> p.username OR m.email <> p.email",
    ),
    (
        DifferenceKind::VerificationGone,
        "SELECT m.username AS name FROM main.users m JOIN present.users p ON p.uuid = m.uuid \
         WHERE m.email = p.email AND m.verified_at IS NULL AND p.verified_at IS NOT NULL",
    ),
    (
        DifferenceKind::RecordGone,
        "SELECT kind AS name FROM present.audit WHERE number > (SELECT coalesce(max(number), 0) FROM main.audit)",
    ),
];

/// Each new password has another version. A login renews the hash of the same one, with other parameters, or puts a
/// mark before it. Where version and parameters are the same and the hash is not, both databases got a new password
/// after they had parted.
const PASSWORDS: &str = "\
    WITH hashes AS (\
        SELECT m.username AS name, m.credential_version <> p.credential_version AS moved, \
            ltrim(m.password_hash, 'nfc') AS here, ltrim(p.password_hash, 'nfc') AS there \
        FROM main.users m JOIN present.users p ON p.uuid = m.uuid\
    ), salted AS (\
        SELECT *, rtrim(rtrim(here, replace(here, '$', '')), '$') AS here_salted, \
            rtrim(rtrim(there, replace(there, '$', '')), '$') AS there_salted FROM hashes\
    ) \
    SELECT name FROM salted WHERE moved OR (here <> there \
        AND rtrim(here_salted, replace(here_salted, '$', '')) = rtrim(there_salted, replace(there_salted, '$', '')))";

impl Set {
    /// What finds the rows that one database has and the other has not, for each kind.
    fn queries(&self, now: Timestamp) -> impl Iterator<Item = (DifferenceKind, String)> {
        let rows = |db: &str| self.rows.replace("{db}", db).replace("{now}", &now.unix_millis().to_string());
        let only = |db, other| {
            let (rows, others) = (rows(db), rows(other));
            format!("SELECT name FROM ({rows}) a WHERE NOT EXISTS (SELECT 1 FROM ({others}) b WHERE b.key = a.key)")
        };
        let returns = self.returns.map(|kind| (kind, only("main", "present")));
        let gone = self.gone.map(|kind| (kind, only("present", "main")));
        returns.into_iter().chain(gone)
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Compares the connection's own database with another file, by a name that SQLite reads as a URI.
pub(super) fn between(
    connection: &mut SqliteConnection,
    present: &str,
    now: Timestamp,
) -> QueryResult<Vec<Difference>> {
    diesel::sql_query("ATTACH ? AS present").bind::<Text, _>(present).execute(connection)?;
    let sets = SETS.iter().flat_map(|set| set.queries(now));
    let changes = CHANGES.iter().map(|(kind, query)| (*kind, (*query).to_owned()));
    let compared = sets.chain(changes).map(|(kind, query)| difference(connection, kind, &query));
    let mut differences = compared.collect::<QueryResult<Vec<_>>>()?;
    connection.batch_execute("DETACH present")?;
    differences.retain(|difference| difference.count > 0);
    Ok(differences)
}

fn difference(connection: &mut SqliteConnection, kind: DifferenceKind, query: &str) -> QueryResult<Difference> {
    let count: Count = diesel::sql_query(format!("SELECT count(*) AS number FROM ({query})")).get_result(connection)?;
    let names = format!("SELECT DISTINCT name FROM ({query}) ORDER BY name LIMIT {}", NAMED + 1);
    let names: Vec<Name> = diesel::sql_query(names).load(connection)?;
    let more = names.len() > NAMED;
    let names = names.into_iter().take(NAMED).map(|row| row.name).collect();
    Ok(Difference { kind, count: count.number.unsigned_abs(), names, more })
}
