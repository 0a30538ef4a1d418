//! The database of the reference implementation, versions 4 and 5, on Postgres. It is read in one transaction that sees
//! one state and can write nothing, by cursors in the order of accounts: so memory is bounded, however many there are.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _};
use thunderhead_domain::id::SessionId;
use thunderhead_domain::import::{
    AccountSource, LeftOut, Remark, SourceAccount, SourceCode, SourceError, SourceFactor, SourceFactorMaterial,
    SourceItem, SourceNames, SourceSecret, SourceSession, SourceToken,
};
use thunderhead_domain::session::{Authentication, Dialect, Method, Origin};
use thunderhead_domain::time::Timestamp;

use super::base32;
use super::reader::{unreachable, unreadable};
use crate::url::{DatabaseTarget, DatabaseUrl};

/// How many rows are fetched at once.
const FETCHED: usize = 500;
/// How many sessions an account has at most before the rest comes as more of it.
const SESSIONS: usize = 1_000;
/// How long a statement may take: cursors are opened by sorting all accounts.
const STATEMENT_TIMEOUT: &str = "10min";
/// Ids of security keys, with or without padding.
const KEY_ID: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A version of the reference implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceVersion {
    /// Sessions are in a column of their user; tokens have no `iss`.
    Four,
    /// Sessions and second factors have tables of their own; tokens have an `iss`.
    Five,
}

/// The accounts of the reference implementation.
pub struct ReferenceSource {
    connection: PgConnection,
    version: ReferenceVersion,
    accounts: VecDeque<AccountRow>,
    sessions: Merged<SessionRow>,
    factors: Merged<FactorRow>,
    /// The account that has more sessions than came with it.
    unfinished: Option<SourceAccount>,
}

/// Rows of accounts, in the order of accounts.
struct Merged<R> {
    cursor: &'static str,
    fetched: VecDeque<R>,
    done: bool,
}

#[derive(QueryableByName)]
struct AccountRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    password: String,
    #[diesel(sql_type = Bool)]
    staff: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    verified_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    banned_at: Option<i64>,
    #[diesel(sql_type = Nullable<Array<Nullable<Text>>>)]
    codes: Option<Vec<Option<String>>>,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

#[derive(QueryableByName)]
struct SessionRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Nullable<Text>)]
    id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    flags: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    expires_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    used_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
}

#[derive(QueryableByName)]
struct FactorRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    secret: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    key_id: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    public_key: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Integer>)]
    counter: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    device_type: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    used_at: Option<i64>,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

#[derive(QueryableByName)]
struct NamesRow {
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    email: String,
}

#[derive(QueryableByName)]
struct TablesRow {
    #[diesel(sql_type = Bool)]
    users: bool,
    #[diesel(sql_type = Bool)]
    sessions: bool,
    #[diesel(sql_type = Bool)]
    factors: bool,
    #[diesel(sql_type = Bool)]
    column: bool,
}

/// What belongs to an account.
trait Owned {
    fn owner(&self) -> &str;
}

impl Owned for SessionRow {
    fn owner(&self) -> &str {
        &self.owner
    }
}

impl Owned for FactorRow {
    fn owner(&self) -> &str {
        &self.owner
    }
}

impl ReferenceSource {
    /// Opens the database, and finds out which version's it is.
    ///
    /// # Errors
    /// Where it cannot be reached, or is another program's.
    pub fn open(url: &DatabaseUrl) -> Result<Self, SourceError> {
        let DatabaseTarget::Postgres(url) = &url.0 else {
            return Err(SourceError::Unfit(
                "is a file: the reference implementation keeps a Postgres database".to_owned(),
            ));
        };
        let mut connection = PgConnection::establish(url).map_err(unreachable)?;
        let begin = format!(
            "SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET client_encoding = 'UTF8'; \
             BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        );
        connection.batch_execute(&begin).map_err(unreadable)?;
        let version = version(&mut connection)?;
        connection.batch_execute(&cursors(version)).map_err(unreadable)?;
        Ok(Self {
            connection,
            version,
            accounts: VecDeque::new(),
            sessions: Merged { cursor: "th_sessions", fetched: VecDeque::new(), done: false },
            factors: Merged { cursor: "th_factors", fetched: VecDeque::new(), done: version == ReferenceVersion::Four },
            unfinished: None,
        })
    }

    /// Which version's it is.
    pub const fn version(&self) -> ReferenceVersion {
        self.version
    }

    fn more_of(&mut self, account: &mut SourceAccount) -> Result<(), SourceError> {
        while let Some(row) = self.sessions.next_of(&account.source_id, &mut self.connection)? {
            match session(row, account) {
                Ok(session) => account.sessions.push(session),
                Err(remark) => account.remarks.push(remark),
            }
            if account.sessions.len() == SESSIONS {
                let rest = SourceAccount {
                    sessions: vec![],
                    factors: vec![],
                    codes: vec![],
                    remarks: vec![],
                    ..account.clone()
                };
                self.unfinished = Some(SourceAccount { continued: true, ..rest });
                break;
            }
        }
        Ok(())
    }
}

impl AccountSource for ReferenceSource {
    fn names(&mut self, each: &mut dyn FnMut(SourceNames<'_>)) -> Result<(), SourceError> {
        let cursor = r#"DECLARE th_names NO SCROLL CURSOR FOR SELECT username, email FROM "Users""#;
        self.connection.batch_execute(cursor).map_err(unreadable)?;
        loop {
            let rows: Vec<NamesRow> = fetch(&mut self.connection, "th_names")?;
            if rows.is_empty() {
                return self.connection.batch_execute("CLOSE th_names").map_err(unreadable);
            }
            for NamesRow { username, email } in &rows {
                each(SourceNames { username, email });
            }
        }
    }

    fn next(&mut self) -> Result<Option<SourceItem>, SourceError> {
        if let Some(mut account) = self.unfinished.take() {
            self.more_of(&mut account)?;
            return Ok(Some(SourceItem::Account(Box::new(account))));
        }
        if self.accounts.is_empty() {
            self.accounts = fetch(&mut self.connection, "th_accounts")?.into();
        }
        let Some(row) = self.accounts.pop_front() else { return Ok(None) };
        let mut account = match account(row) {
            Ok(account) => account,
            Err(who) => return Ok(Some(SourceItem::Unreadable { who, why: LeftOut::Id })),
        };
        while let Some(row) = self.factors.next_of(&account.source_id, &mut self.connection)? {
            match factor(row) {
                Ok(factor) => account.factors.push(factor),
                Err(remark) => account.remarks.push(remark),
            }
        }
        self.more_of(&mut account)?;
        Ok(Some(SourceItem::Account(Box::new(account))))
    }
}

impl<R: Owned> Merged<R>
where
    R: QueryableByName<diesel::pg::Pg> + 'static,
{
    /// The next row of an account. Those of accounts before it are nobody's.
    fn next_of(&mut self, account: &str, connection: &mut PgConnection) -> Result<Option<R>, SourceError> {
        loop {
            if self.fetched.is_empty() && !self.done {
                self.fetched = fetch(connection, self.cursor)?.into();
                self.done = self.fetched.is_empty();
            }
            match self.fetched.front().map(|row| row.owner().cmp(account)) {
                Some(std::cmp::Ordering::Less) => drop(self.fetched.pop_front()),
                Some(std::cmp::Ordering::Equal) => return Ok(self.fetched.pop_front()),
                Some(std::cmp::Ordering::Greater) | None => return Ok(None),
            }
        }
    }
}

fn fetch<R>(connection: &mut PgConnection, cursor: &str) -> Result<Vec<R>, SourceError>
where
    R: QueryableByName<diesel::pg::Pg> + 'static,
{
    diesel::sql_query(format!("FETCH {FETCHED} FROM {cursor}")).load(connection).map_err(unreadable)
}

fn version(connection: &mut PgConnection) -> Result<ReferenceVersion, SourceError> {
    let tables = r#"SELECT to_regclass('"Users"') IS NOT NULL AS users, to_regclass('"Sessions"') IS NOT NULL AS sessions,
        to_regclass('"SecondFactors"') IS NOT NULL AS factors, EXISTS (SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('"Users"') AND attname = 'sessions' AND NOT attisdropped) AS column"#;
    match diesel::sql_query(tables).get_result(connection).map_err(unreadable)? {
        TablesRow { users: true, sessions: true, factors: true, column: false } => Ok(ReferenceVersion::Five),
        TablesRow { users: true, sessions: false, factors: false, column: true } => Ok(ReferenceVersion::Four),
        _ => Err(SourceError::Unfit("has not the tables of the reference implementation, version 4 or 5".to_owned())),
    }
}

/// A moment in Unix milliseconds.
fn millis(column: &str) -> String {
    format!(r#"(round(extract(epoch FROM "{column}") * 1000))::bigint"#)
}

fn cursors(version: ReferenceVersion) -> String {
    let [exp, used, created, updated] = ["exp", "usedAt", "createdAt", "updatedAt"].map(millis);
    let [verified, banned] = ["verifiedAt", "bannedAt"].map(millis);
    let codes = match version {
        ReferenceVersion::Four => "NULL::text[]",
        ReferenceVersion::Five => r#""twoFactorBackupCodes"::text[]"#,
    };
    let accounts = format!(
        r#"DECLARE th_accounts NO SCROLL CURSOR FOR SELECT id::text, username::text, email::text, password::text, staff,
        {verified} AS verified_at, {banned} AS banned_at, {codes} AS codes, {created} AS created_at,
        {updated} AS updated_at FROM "Users" ORDER BY id COLLATE "C";"#
    );
    let rest = match version {
        ReferenceVersion::Four => {
            let number = |name: &str| {
                format!("CASE WHEN one->>'{name}' ~ '^[0-9]{{1,11}}$' THEN (one->>'{name}')::bigint * 1000 END")
            };
            format!(
                r#"DECLARE th_sessions NO SCROLL CURSOR FOR SELECT "Users".id::text AS owner, one->>'iat' AS id,
                one->>'name' AS name, NULL::integer AS flags, {} AS expires_at, NULL::bigint AS used_at,
                {} AS created_at, NULL::bigint AS updated_at FROM "Users", unnest(sessions) AS one
                ORDER BY "Users".id COLLATE "C", (one->>'iat') COLLATE "C""#,
                number("exp"),
                number("iat"),
            )
        }
        ReferenceVersion::Five => format!(
            r#"DECLARE th_sessions NO SCROLL CURSOR FOR SELECT "user"::text AS owner, id::text, name::text,
            "permissionFlags" AS flags, {exp} AS expires_at, {used} AS used_at, {created} AS created_at,
            {updated} AS updated_at FROM "Sessions" ORDER BY "user" COLLATE "C", id COLLATE "C";
            DECLARE th_factors NO SCROLL CURSOR FOR SELECT "user"::text AS owner, id::text, type::text AS kind, name::text,
            secret::text, "keyId"::text AS key_id, "publicKey" AS public_key, counter, "deviceType"::text AS device_type,
            {used} AS used_at, {created} AS created_at, {updated} AS updated_at FROM "SecondFactors"
            ORDER BY "user" COLLATE "C", id COLLATE "C""#
        ),
    };
    accounts + &rest
}

/// An account without what belongs to it; else its id, which is none.
fn account(row: AccountRow) -> Result<SourceAccount, String> {
    let id = row.id.parse().map_err(|_| row.id.clone())?;
    let at = Timestamp::from_unix_millis;
    let codes = row.codes.unwrap_or_default().into_iter().flatten();
    Ok(SourceAccount {
        source_id: row.id,
        id: Some(id),
        uuid: None,
        username: row.username,
        email: row.email,
        password: (!row.password.is_empty()).then_some(SourceSecret(row.password)),
        staff: row.staff,
        verified_at: row.verified_at.map(at),
        banned_at: row.banned_at.map(at),
        created_at: at(row.created_at),
        updated_at: at(row.updated_at),
        factors: Vec::new(),
        codes: codes.map(|code| SourceCode::Sha512Hex(SourceSecret(code))).collect(),
        sessions: Vec::new(),
        continued: false,
        remarks: Vec::new(),
    })
}

fn session(row: SessionRow, account: &SourceAccount) -> Result<SourceSession, Remark> {
    let left_out = |id: &str, why: &str| Remark::SessionLeftOut { id: id.to_owned(), why: why.to_owned() };
    let text = row.id.unwrap_or_default();
    let Ok(id) = text.parse::<SessionId>() else { return Err(left_out(&text, "its id is no number")) };
    let Some(expires_at) = row.expires_at else { return Err(left_out(&text, "it has no end")) };
    let at = Timestamp::from_unix_millis;
    let created_at = row.created_at.map_or_else(|| Timestamp::from_unix_seconds(id.number()), at);
    // Whoever has a session there has shown the password. A second factor may have come later.
    let shown = Authentication { method: Method::Password, at: created_at };
    Ok(SourceSession {
        // Ids of sessions are their users' own in version 4.
        source_id: format!("{}/{text}", account.source_id),
        uuid: None,
        id: Some(id),
        token: SourceToken::Signed,
        name: row.name.unwrap_or_default(),
        flags: row.flags.map(i64::from),
        expires_at: at(expires_at),
        created_at,
        updated_at: row.updated_at.map_or(created_at, at),
        used_at: row.used_at.map(at),
        origin: Origin { dialect: Dialect::Current, client_ip: None, user_agent: None },
        authentications: vec![shown],
        second_factor_pending: false,
    })
}

fn factor(row: FactorRow) -> Result<SourceFactor, Remark> {
    let material = match (row.kind.as_str(), row.secret, row.key_id, row.public_key) {
        ("totp", Some(secret), ..) => match base32::decode(&secret) {
            Some(secret) => Ok(SourceFactorMaterial::Totp { secret: SourceSecret(secret) }),
            None => Err("its secret is not in base32"),
        },
        ("webauthn", _, Some(key_id), Some(public_key)) => match KEY_ID.decode(key_id) {
            Ok(credential_id) => Ok(SourceFactorMaterial::Webauthn {
                credential_id,
                public_key,
                sign_count: row.counter.and_then(|counter| u32::try_from(counter).ok()).unwrap_or(0),
                backup_eligible: row.device_type.as_deref() == Some("multiDevice"),
            }),
            Err(_) => Err("its id cannot be read"),
        },
        _ => Err("it has not what one of its kind has"),
    };
    let at = Timestamp::from_unix_millis;
    match material {
        Ok(material) => Ok(SourceFactor {
            source_id: format!("{}/{}", row.owner, row.id),
            name: row.name,
            material,
            used_at: row.used_at.map(at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        }),
        Err(why) => Err(Remark::FactorLeftOut { name: row.name, why: why.to_owned() }),
    }
}
