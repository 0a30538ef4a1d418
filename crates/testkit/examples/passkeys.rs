//! Passkeys in software, for programs: `cargo xtask bench` measures logins by them. Each line of the standard input is the
//! number of an authenticator, what it is to do (`create` or `get`), the origin of the page, and the options as JSON; each
//! line of the standard output is what it answers, as JSON.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use serde_json::Value;
use thunderhead_testkit::authenticator::Authenticator;

fn main() -> Result<(), Box<dyn Error>> {
    let mut authenticators: HashMap<String, Authenticator> = HashMap::new();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let [number, kind, origin, options] =
            <[&str; 4]>::try_from(line.splitn(4, ' ').collect::<Vec<_>>()).map_err(|_| "number kind origin options")?;
        let options: Value = serde_json::from_str(options)?;
        // One that does not count answers in any order.
        let key = authenticators.entry(number.to_owned()).or_insert_with(Authenticator::without_counter);
        let answer = match kind {
            "create" => key.register(&options, origin),
            "get" => key.assert(&options, origin),
            other => return Err(format!("create or get, not {other}").into()),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
