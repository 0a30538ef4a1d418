//! The service as a program. Its settings come from the environment:
//!
//! | name | example | |
//! |---|---|---|
//! | `UPLOAD_LISTEN` | `127.0.0.1:9000` | address and port |
//! | `UPLOAD_FOLDER` | `uploads` | where files go; it must be there |
//! | `UPLOAD_THUNDERHEAD` | `http://127.0.0.1:8000` | where Thunderhead is, without `/api` |
//! | `UPLOAD_ISSUER` | `thunderhead` | the `issuer` that Thunderhead is set to |
//! | `UPLOAD_CLIENT_ID` | `uploads` | the name given to `thunderhead service create` |
//! | `UPLOAD_CLIENT_SECRET_FILE` | `uploads.secret` | a file with the secret which that printed |

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use actix_web::rt::System;
use actix_web::{App, HttpServer, web};
use anyhow::{Context, Result};
use thunderhead_domain::ports::Clock;
use thunderhead_domain::time::Timestamp;
use upload_service::guard::Guard;
use upload_service::thunderhead::OverHttp;
use upload_service::upload::{Uploads, mount};

/// The largest upload, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

fn setting(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("set {name} (see the head of main.rs)"))
}

fn main() -> Result<()> {
    let file = setting("UPLOAD_CLIENT_SECRET_FILE")?;
    let secret = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let thunderhead = OverHttp::new(&setting("UPLOAD_THUNDERHEAD")?, &setting("UPLOAD_CLIENT_ID")?, secret.trim());
    let guard = Guard::new(Arc::new(thunderhead), Arc::new(SystemClock), setting("UPLOAD_ISSUER")?);
    let uploads = web::Data::new(Uploads::new(guard, setting("UPLOAD_FOLDER")?.into(), LARGEST)?);
    let address = setting("UPLOAD_LISTEN")?;
    let server = HttpServer::new(move || App::new().configure(mount(uploads.clone())))
        .bind(&address)
        .with_context(|| format!("cannot listen on {address}"))?;
    println!("The upload service serves http://{address}/files");
    Ok(System::new().block_on(server.run())?)
}
