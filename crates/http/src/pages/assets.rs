//! Style sheet, script and the operator's own files. Their names carry a hash of what is in them, so that browsers may
//! keep them for ever. They are served without a look at who asks: an error page needs them, too.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest as _, Sha256};

use crate::metrics::RoutePattern;
use crate::site::PageSettings;

const PATH: &str = "/assets/{name}";
/// Bytes of a hash that stand in a name.
const HASH_BYTES: usize = 8;

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css").into()));
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("script", "js", "text/javascript; charset=utf-8", include_str!("assets/script.js").into())
});

/// A file that pages refer to.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    path: String,
    content_type: &'static str,
    bytes: Bytes,
}

/// What the operator has pages look like.
#[derive(Clone, Debug)]
pub(super) struct Theme {
    pub(super) logo: Option<Asset>,
    pub(super) css: Option<Asset>,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, bytes: Bytes) -> Self {
        let hash: String = Sha256::digest(&bytes).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/assets/{name}-{hash}.{extension}"), content_type, bytes }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl Theme {
    pub(super) fn of(site: &PageSettings) -> Self {
        let css = |bytes: &Bytes| Asset::new("site", "css", "text/css; charset=utf-8", bytes.clone());
        let logo = site.logo.as_ref();
        Self {
            logo: logo.map(|logo| Asset::new("logo", logo.extension(), logo.content_type(), logo.bytes.clone())),
            css: site.css.as_ref().map(css),
        }
    }
}

pub(super) fn mount(services: &mut web::ServiceConfig, theme: &Theme) {
    let mut all = vec![STYLE.clone(), SCRIPT.clone()];
    all.extend(theme.logo.iter().chain(&theme.css).cloned());
    let all: Arc<[Asset]> = all.into();
    let show = move |request: HttpRequest| {
        let found = all.iter().find(|asset| asset.path == request.path()).cloned();
        async move { found.map_or_else(|| HttpResponse::NotFound().finish(), answer) }
    };
    let wrong_method = || async { HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET, HEAD")).finish() };
    let resource = web::resource(PATH).app_data(RoutePattern::new("", PATH));
    let resource = resource.route(web::get().to(show.clone())).route(web::head().to(show));
    services.service(resource.default_service(web::to(wrong_method)));
}

/// A picture is only ever shown in a page. Opened by itself it runs nothing, if it is one that could.
fn answer(asset: Asset) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, asset.content_type));
    response.insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"));
    response.insert_header(("Cross-Origin-Resource-Policy", "same-origin"));
    response.insert_header(("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"));
    response.body(asset.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_are_small_and_named_by_what_is_in_them() {
        assert!(STYLE.bytes.len() < 15_000 && SCRIPT.bytes.len() < 10_000);
        let other = Asset::new("style", "css", "text/css", Bytes::from_static(b"body {}"));
        assert!(other.path.starts_with("/assets/style-") && other.path != STYLE.path);
        assert_eq!(STYLE.path.len(), "/assets/style-0123456789abcdef.css".len());
    }
}
