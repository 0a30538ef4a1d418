//! `ANY /api/`: whether anybody is there.

use actix_web::HttpResponse;
use serde::Serialize;

use crate::access::call::Call;
use crate::api::error::ApiResult;

#[derive(Serialize)]
struct Hello {
    hello: &'static str,
    version: &'static str,
}

pub(crate) async fn hello(_call: Call) -> ApiResult {
    Ok(HttpResponse::Ok().json(Hello { hello: "world", version: env!("CARGO_PKG_VERSION") }))
}
