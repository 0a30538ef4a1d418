//! `PUT /files`: keeps the body as a file, for a session that may upload.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use serde::Serialize;
use tempfile::NamedTempFile;
use thunderhead_domain::scope::Scope;

use crate::guard::{Denied, Guard, UploadGrant};
use crate::thunderhead::Away;

/// How long an upload may take as a whole. A session that ends meanwhile can do no more than finish it.
const PATIENCE: Duration = Duration::from_secs(300);

/// What uploads need.
pub struct Uploads {
    guard: Guard,
    folder: PathBuf,
    /// In bytes.
    largest: u64,
}

impl Uploads {
    /// Into this folder, which must be there; up to so many bytes each.
    ///
    /// # Errors
    /// Where there is no such folder.
    pub fn new(guard: Guard, folder: PathBuf, largest: u64) -> io::Result<Self> {
        Ok(Self { guard, folder: folder.canonicalize()?, largest })
    }
}

/// The routes.
pub fn mount(uploads: web::Data<Uploads>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |services| {
        services.app_data(uploads).route("/files", web::put().to(put));
    }
}

/// What is answered with a 201.
#[derive(Serialize)]
struct Kept {
    name: String,
    bytes: u64,
}

/// Why there is no file in the end.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the upload is too large")]
    TooLarge,
    #[error("the upload took too long")]
    TooSlow,
    #[error("the upload broke off")]
    BrokenOff,
    #[error("the file cannot be written: {0}")]
    Disk(#[from] io::Error),
}

async fn put(uploads: web::Data<Uploads>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    match keep(uploads, &request, body).await {
        Ok(kept) => HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(kept),
        Err(refused) => answer(&refused),
    }
}

async fn keep(uploads: web::Data<Uploads>, request: &HttpRequest, body: web::Payload) -> Result<Kept, Refused> {
    let token = credential(request.headers()).ok_or(Denied::NoSession)?;
    let service = uploads.clone();
    let checked = web::block(move || service.guard.authorise(&token, Scope::UploadFile)).await;
    let grant = checked.map_err(|error| Denied::Away(Away::because(error)))??;
    // The body is not touched before this line.
    if announced(request.headers()).is_some_and(|length| length > uploads.largest) {
        return Err(Refused::TooLarge);
    }
    timeout(PATIENCE, receive(&uploads, &grant, body)).await.map_err(|_| Refused::TooSlow)?
}

/// The only credential of a request. Two are none: somebody else might look at the other one.
fn credential(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(AUTHORIZATION);
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
        Some(_) => None,
        None => Some(value.to_owned()),
    }
}

/// How long the client says that the body is.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Writes the body as it comes. What breaks off leaves nothing: a temporary file goes when it is dropped.
async fn receive(uploads: &Uploads, grant: &UploadGrant, mut body: web::Payload) -> Result<Kept, Refused> {
    let (folder, prefix) = (uploads.folder.clone(), format!("{}-", grant.user()));
    let begin = move || tempfile::Builder::new().prefix(&prefix).suffix(".part").rand_bytes(20).tempfile_in(folder);
    let mut file = on_disk(begin).await?;
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Refused::BrokenOff)?;
        bytes += chunk.len() as u64;
        if bytes > uploads.largest {
            return Err(Refused::TooLarge);
        }
        file = on_disk(move || file.write_all(&chunk).map(|()| file)).await?;
    }
    let name = on_disk(move || finish(file)).await?;
    Ok(Kept { name, bytes })
}

/// Has the file reach the disk before anybody is told so, and gives it its name: the user's id and random letters.
fn finish(file: NamedTempFile) -> io::Result<String> {
    file.as_file().sync_all()?;
    let path = file.path().with_extension("");
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    file.persist_noclobber(&path)?;
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(name)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Files block, so they have threads of their own.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Refused> {
    Ok(web::block(work).await.map_err(io::Error::other)??)
}

/// What the client is told: a status, and no details. Those are for the log.
fn answer(refused: &Refused) -> HttpResponse {
    let mut response = match refused {
        Refused::Denied(Denied::NoSession) => HttpResponse::Unauthorized(),
        Refused::Denied(Denied::Scope) => HttpResponse::Forbidden(),
        Refused::Denied(Denied::Away(_)) => HttpResponse::ServiceUnavailable(),
        Refused::TooLarge => HttpResponse::PayloadTooLarge(),
        Refused::TooSlow => HttpResponse::RequestTimeout(),
        Refused::BrokenOff => HttpResponse::BadRequest(),
        Refused::Disk(_) => HttpResponse::InternalServerError(),
    };
    match refused {
        Refused::Denied(Denied::NoSession) => _ = response.insert_header((WWW_AUTHENTICATE, "Bearer")),
        Refused::Denied(Denied::Away(_)) => _ = response.insert_header((RETRY_AFTER, "1")),
        _ => {}
    }
    if matches!(refused, Refused::Denied(Denied::Away(_)) | Refused::Disk(_)) {
        eprintln!("{refused}");
    }
    response.insert_header((CACHE_CONTROL, "no-store")).finish()
}
