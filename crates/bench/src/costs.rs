//! What one request costs the server's processor, at most: every endpoint, every kind of caller, the ordinary request
//! and those that were made to be much work, beside one password hash.

mod callers;
mod cases;
mod ceremonies;
mod endpoints;
mod processor_time;
mod slow;
mod summary;
mod texts;

use anyhow::{Context, Result, bail};

use self::callers::{CallerKind, Callers};
use self::cases::Case;
use self::endpoints::TestedEndpoint;
use self::summary::{CostRow, Summary};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::release;
use thunderhead_system_tests::live::site::Site;

/// The most that a request may cost, in hashes: whoever sends a body in 65 000 chunks has a third of one spent on
/// receiving it, whatever it is for.
pub(crate) const MOST: f64 = 1.5;
/// What costs less, in milliseconds, is asked several times in a row: a single one is not told from its surroundings.
const CHEAP: f64 = 3.0;
const IN_A_ROW: u32 = 3;
/// How often what costs more is asked. The least counts: nothing makes a request cheaper than it is.
const REPEATS: u32 = 2;
/// How often one is asked again that seems to cost too much, each time beside a hash.
const DOUBTS: u32 = 3;
/// Sessions and scoped sessions of the full account, and sessions of the others that hold many.
const SESSIONS: u32 = 1_000;
const SCOPED: u32 = 200;
const CROWDS: u32 = 4;

/// Hashing as it is by default, one thread for everything, and a page for security keys.
const SETTINGS: [(&str, &str); 8] = [
    ("HASHING__MEMORY_KIB", "19456"),
    ("HASHING__PASSES", "2"),
    ("HASHING__THREADS", "1"),
    ("HTTP__WORKERS", "1"),
    ("DATABASE__DEADLINE_MS", "30000"),
    ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ("CORS_ORIGINS", "https://app.example.org"),
    ("RELYING_PARTY__ORIGINS", callers::ORIGIN),
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
    let (full, crowds) = fill_accounts(&site, sessions)?;
    let server = site.start()?;
    let mut slow = slow::all(server.address);
    let mut callers = Callers::new(site, server, full)?;
    let mut summary = Summary::new(hash(&mut callers)?);
    for endpoint in endpoints::all(&mut callers.client)? {
        eprintln!("> {}", endpoint.name());
        for kind in CallerKind::ALL {
            // The full account is there to be read; it ends at the end.
            if kind != CallerKind::Full || endpoint.method == "GET" {
                summary.extend(measure_endpoint(&mut callers, &endpoint, kind)?);
            }
        }
        summary.hashed(hash(&mut callers)?);
    }
    summary.extend(perform(&mut callers, ceremonies::all(), REPEATS)?);
    summary.extend(slow.iter_mut().map(|slow| slow.measure(&callers.processor)).collect::<Result<Vec<_>>>()?);
    summary.extend(perform(&mut callers, ceremonies::endings(crowds), 1)?);
    summary.finish()
}

fn fill_accounts(site: &Site, sessions: u32) -> Result<(callers::TestAccount, Vec<callers::TestAccount>)> {
    eprintln!("> accounts with {sessions} sessions");
    let server = site.start_with(&CHEAP_HASHING)?;
    let mut client = Client::new(server.address);
    let mut full = callers::full_account(&mut client, sessions, SCOPED)?;
    ceremonies::enrol_key(&mut client, &mut full)?;
    let crowds = (0..CROWDS).map(|number| callers::crowd(&mut client, &format!("crowd{number}"), sessions));
    let crowds = crowds.collect::<Result<_>>()?;
    server.kill()?;
    Ok((full, crowds))
}

/// One hash, in milliseconds: a login of nobody, without what a request costs that finds nothing.
fn hash(callers: &mut Callers) -> Result<f64> {
    let mut least = |request: Request| -> Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..5 {
            least = least.min(ask_once(callers, &request)?.0);
        }
        Ok(least)
    };
    let login = thunderhead_system_tests::requests::log_in(&format!("nobody{}", texts::NUMBER), "the wrong password");
    Ok(least(login)? - least(Request::new("GET", "/api/nowhere"))?)
}

/// Asks once; what it cost, and the status, 0 where there was no answer.
fn ask_once(callers: &mut Callers, request: &Request) -> Result<(f64, u16)> {
    let request = callers.numbered(request.clone());
    for attempt in 0..2 {
        if !callers.client.is_connected() {
            callers.ask(&Request::new("GET", "/health/live"), 200)?;
        }
        let before = callers.processor.read()?;
        let answer = callers.client.ask(&request);
        let millis = callers.processor.since(&before)?;
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
fn measure_endpoint(callers: &mut Callers, endpoint: &TestedEndpoint, kind: CallerKind) -> Result<Vec<CostRow>> {
    let mut row = CostRow::new(endpoint.name(), kind.name());
    let cases = cases::of(endpoint);
    try_all(callers, endpoint, kind, cases.iter().filter(|case| !case.two_forms), &mut row)?;
    let mut other = row.of_two_forms();
    try_all(callers, endpoint, kind, cases.iter().filter(|case| case.two_forms), &mut other)?;
    Ok(if other.input.is_empty() { vec![row] } else { vec![row, other] })
}

fn try_all<'a>(
    callers: &mut Callers,
    endpoint: &TestedEndpoint,
    kind: CallerKind,
    cases: impl Iterator<Item = &'a Case> + Clone,
    row: &mut CostRow,
) -> Result<()> {
    for case in cases.clone() {
        if !case.applies_to(kind, row.usual_status()) {
            continue;
        }
        let make = |callers: &mut Callers| case.request(callers, endpoint, kind);
        let (millis, status) =
            cost_of(callers, make, kind, row.worst).with_context(|| format!("{}, {}", row.endpoint, case.input))?;
        row.take(&case.input, millis, status);
    }
    // What costs much is asked once more, beside a hash of that moment.
    for _ in 0..DOUBTS {
        if row.worst < CHEAP || (row.hash > 0.0 && !row.is_too_dear(row.hash)) {
            break;
        }
        row.hash = hash(callers)?;
        let Some(case) = cases.clone().find(|case| case.input == row.input) else { break };
        let (millis, status) = cost_of(callers, |callers| case.request(callers, endpoint, kind), kind, 0.0)?;
        row.doubt(millis, status);
    }
    if !row.input.is_empty() {
        eprintln!("  {}", row.cells(row.hash).join("  "));
    }
    Ok(())
}

/// What a request costs that is made anew each time; measured well if that is more than some other.
fn cost_of(
    callers: &mut Callers,
    make: impl Fn(&mut Callers) -> Result<Request>,
    kind: CallerKind,
    than: f64,
) -> Result<(f64, u16)> {
    let mut request = make(callers)?;
    let (mut least, mut status) = ask_once(callers, &request)?;
    if status == 429 && !matches!(kind, CallerKind::Anonymous | CallerKind::Full) {
        callers.replace(kind)?;
        request = make(callers)?;
        (least, status) = ask_once(callers, &request)?;
    }
    if least <= than {
        return Ok((least, status));
    }
    if least < CHEAP {
        let mut sum = 0.0;
        for _ in 0..IN_A_ROW {
            let (millis, again) = ask_once(callers, &request)?;
            if again != status {
                return Ok((least, status));
            }
            sum += millis;
        }
        return Ok((least.min(sum / f64::from(IN_A_ROW)), status));
    }
    for _ in 1..REPEATS {
        let request = make(callers)?;
        let (millis, again) = ask_once(callers, &request)?;
        if again == status {
            least = least.min(millis);
        }
    }
    Ok((least, status))
}

/// Requests with something before them. A row for each endpoint and caller.
fn perform(callers: &mut Callers, ceremonies: Vec<ceremonies::Ceremony>, repeats: u32) -> Result<Vec<CostRow>> {
    let mut rows: Vec<CostRow> = vec![];
    for ceremony in ceremonies {
        let mut least = (f64::INFINITY, 0);
        for _ in 0..repeats {
            let request =
                ceremony.request(callers).with_context(|| format!("{}, {}", ceremony.endpoint, ceremony.input))?;
            let (millis, status) = ask_once(callers, &request)?;
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
                let mut row = CostRow::new(ceremony.endpoint.to_owned(), ceremony.caller);
                row.hash = hash(callers)?;
                row.is_bounded = ceremony.is_bounded;
                row.take(&ceremony.input, least.0, least.1);
                rows.push(row);
            }
        }
    }
    Ok(rows)
}
