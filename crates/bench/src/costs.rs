//! What one request costs the server's processor, at most: every endpoint, every kind of caller, the ordinary request
//! and those that were made to be much work, beside one password hash.

mod cases;
mod ceremonies;
mod endpoints;
mod meter;
mod slow;
mod stage;
mod summary;
mod texts;

use anyhow::{Context, Result, bail};

use self::cases::Case;
use self::endpoints::Endpoint;
use self::stage::{Kind, Stage};
use self::summary::{Row, Summary};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::release;
use thunderhead_system_tests::live::site::Site;

/// The most that a request may cost, in hashes.
pub(crate) const MOST: f64 = 1.3;
/// What costs less, in milliseconds, is asked several times in a row: a single one is not told from its surroundings.
const CHEAP: f64 = 3.0;
const IN_A_ROW: u32 = 3;
/// How often what costs more is asked. The least counts: nothing makes a request cheaper than it is.
const SHOTS: u32 = 2;
/// How often one is asked again that seems to cost too much, each time beside a hash.
const DOUBTS: u32 = 3;
/// Sessions and scoped sessions of the full account, and sessions of the others that hold many.
const SESSIONS: u32 = 1_000;
const SCOPED: u32 = 200;
const CROWDS: u32 = 4;

/// Hashing as it is by default, one thread for everything, and a page for security keys.
const SETTINGS: [(&str, &str); 9] = [
    ("HASHING__MEMORY_KIB", "19456"),
    ("HASHING__PASSES", "2"),
    ("HASHING__THREADS", "1"),
    ("HTTP__WORKERS", "1"),
    ("LIMITS__REVOCATION", "off"),
    ("DATABASE__DEADLINE_MS", "30000"),
    ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ("CORS_ORIGINS", "https://app.example.org"),
    ("RELYING_PARTY__ORIGINS", stage::ORIGIN),
];
/// Hashing that costs nothing, while accounts are filled.
const CHEAP_HASHING: [(&str, &str); 2] = [("HASHING__MEMORY_KIB", "8"), ("HASHING__PASSES", "1")];

/// Measures, prints the table, and fails where a request costs too much.
pub(crate) fn run(quick: bool) -> Result<()> {
    let mut site = Site::on_sqlite(release()?)?;
    for (name, value) in SETTINGS {
        site.set(name, value);
    }
    let sessions = if quick { SESSIONS / 10 } else { SESSIONS };
    let (full, crowds) = furnish(&site, sessions)?;
    let server = site.start()?;
    let mut slow = slow::all(server.address);
    let mut stage = Stage::new(site, server, full)?;
    let mut summary = Summary::new(hash(&mut stage)?);
    for endpoint in endpoints::all(&mut stage.client)? {
        eprintln!("> {}", endpoint.name());
        for kind in Kind::ALL {
            // The full account is there to be read; it ends at the end.
            if kind != Kind::Full || endpoint.method == "GET" {
                summary.extend(walk(&mut stage, &endpoint, kind)?);
            }
        }
        summary.hashed(hash(&mut stage)?);
    }
    summary.extend(perform(&mut stage, ceremonies::all(), SHOTS)?);
    summary.extend(slow.iter_mut().map(|slow| slow.measure(&stage.meter)).collect::<Result<Vec<_>>>()?);
    summary.extend(perform(&mut stage, ceremonies::endings(crowds), 1)?);
    summary.finish()
}

/// Fills accounts.
fn furnish(site: &Site, sessions: u32) -> Result<(stage::Person, Vec<stage::Person>)> {
    eprintln!("> accounts with {sessions} sessions");
    let server = site.start_with(&CHEAP_HASHING)?;
    let mut client = Client::new(server.address);
    let mut full = stage::full_account(&mut client, sessions, SCOPED)?;
    ceremonies::enrol_key(&mut client, &mut full)?;
    let crowds = (0..CROWDS).map(|number| stage::crowd(&mut client, &format!("crowd{number}"), sessions));
    let crowds = crowds.collect::<Result<_>>()?;
    server.kill()?;
    Ok((full, crowds))
}

/// One hash, in milliseconds: a login of nobody, without what a request costs that finds nothing.
fn hash(stage: &mut Stage) -> Result<f64> {
    let mut least = |request: Request| -> Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..5 {
            least = least.min(shoot(stage, &request)?.0);
        }
        Ok(least)
    };
    let login = thunderhead_system_tests::requests::log_in(&format!("nobody{}", texts::NUMBER), "the wrong password");
    Ok(least(login)? - least(Request::new("GET", "/api/nowhere"))?)
}

/// Asks once; what it cost, and the status, 0 where there was no answer.
fn shoot(stage: &mut Stage, request: &Request) -> Result<(f64, u16)> {
    let request = stage.numbered(request.clone());
    for attempt in 0..2 {
        if !stage.client.is_connected() {
            stage.ask(&Request::new("GET", "/health/live"), 200)?;
        }
        let before = stage.meter.read()?;
        let answer = stage.client.ask(&request);
        let millis = stage.meter.since(&before)?;
        match answer {
            Ok(answer) => return Ok((millis, answer.status)),
            // The connection may have ended before: the server hangs up on those who send too much.
            Err(_) if attempt == 0 => {}
            Err(_) => return Ok((millis, 0)),
        }
    }
    Ok((0.0, 0))
}

/// All cases of one endpoint and one kind of caller: a row, and one more where there are passwords in two forms.
fn walk(stage: &mut Stage, endpoint: &Endpoint, kind: Kind) -> Result<Vec<Row>> {
    let mut row = Row::new(endpoint.name(), kind.name());
    let cases = cases::of(endpoint);
    try_all(stage, endpoint, kind, cases.iter().filter(|case| !case.two_forms), &mut row)?;
    let mut other = row.of_two_forms();
    try_all(stage, endpoint, kind, cases.iter().filter(|case| case.two_forms), &mut other)?;
    Ok(if other.input.is_empty() { vec![row] } else { vec![row, other] })
}

fn try_all<'a>(
    stage: &mut Stage,
    endpoint: &Endpoint,
    kind: Kind,
    cases: impl Iterator<Item = &'a Case> + Clone,
    row: &mut Row,
) -> Result<()> {
    for case in cases.clone() {
        if !case.invalidations(kind, row.usual_status()) {
            continue;
        }
        let make = |stage: &mut Stage| case.request(stage, endpoint, kind);
        let (millis, status) =
            price(stage, make, kind, row.worst).with_context(|| format!("{}, {}", row.endpoint, case.input))?;
        row.take(&case.input, millis, status);
    }
    // What costs much is asked once more, beside a hash of that moment.
    for _ in 0..DOUBTS {
        if row.worst < CHEAP || (row.hash > 0.0 && !row.is_too_dear(row.hash)) {
            break;
        }
        row.hash = hash(stage)?;
        let Some(case) = cases.clone().find(|case| case.input == row.input) else { break };
        let (millis, status) = price(stage, |stage| case.request(stage, endpoint, kind), kind, 0.0)?;
        row.doubt(millis, status);
    }
    if !row.input.is_empty() {
        eprintln!("  {}", row.cells(row.hash).join("  "));
    }
    Ok(())
}

/// What a request costs that is made anew each time; measured well if that is more than some other.
fn price(stage: &mut Stage, make: impl Fn(&mut Stage) -> Result<Request>, kind: Kind, than: f64) -> Result<(f64, u16)> {
    let mut request = make(stage)?;
    let (mut least, mut status) = shoot(stage, &request)?;
    if status == 429 && !matches!(kind, Kind::Anonymous | Kind::Full) {
        stage.replace(kind)?;
        request = make(stage)?;
        (least, status) = shoot(stage, &request)?;
    }
    if least <= than {
        return Ok((least, status));
    }
    if least < CHEAP {
        let mut sum = 0.0;
        for _ in 0..IN_A_ROW {
            let (millis, again) = shoot(stage, &request)?;
            if again != status {
                return Ok((least, status));
            }
            sum += millis;
        }
        return Ok((least.min(sum / f64::from(IN_A_ROW)), status));
    }
    for _ in 1..SHOTS {
        let request = make(stage)?;
        let (millis, again) = shoot(stage, &request)?;
        if again == status {
            least = least.min(millis);
        }
    }
    Ok((least, status))
}

/// Requests with something before them. A row for each endpoint and caller.
fn perform(stage: &mut Stage, ceremonies: Vec<ceremonies::Ceremony>, shots: u32) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = vec![];
    for ceremony in ceremonies {
        let mut least = (f64::INFINITY, 0);
        for _ in 0..shots {
            let request =
                ceremony.request(stage).with_context(|| format!("{}, {}", ceremony.endpoint, ceremony.input))?;
            let (millis, status) = shoot(stage, &request)?;
            if status == 429 {
                bail!("{}, {}: it has to wait", ceremony.endpoint, ceremony.input);
            }
            least = if millis < least.0 { (millis, status) } else { least };
        }
        let known =
            rows.iter_mut().find(|row| (row.endpoint.as_str(), row.caller) == (ceremony.endpoint, ceremony.caller));
        match known {
            Some(row) => row.take(&ceremony.input, least.0, least.1),
            None => {
                let mut row = Row::new(ceremony.endpoint.to_owned(), ceremony.caller);
                row.hash = hash(stage)?;
                row.take(&ceremony.input, least.0, least.1);
                rows.push(row);
            }
        }
    }
    Ok(rows)
}
