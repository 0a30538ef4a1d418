//! `ANY /api/`: whether anybody is there.

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::wire::constants;

constants! {
    World = "world";
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct Greeting {
    hello: World,
    /// The server's.
    #[schemars(example = env!("CARGO_PKG_VERSION").to_owned())]
    version: &'static str,
}

pub(crate) async fn hello(_call: Call) -> ApiResult {
    Ok(HttpResponse::Ok().json(Greeting { hello: World, version: env!("CARGO_PKG_VERSION") }))
}
