//! Headers that all answers on some paths carry, whoever makes them.

use actix_web::Error;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderMap;
use thunderhead_domain::time::Timestamp;

/// Writes them into the headers of an answer that is given at this time.
pub(crate) type Decoration = Box<dyn Fn(&mut HeaderMap, Timestamp)>;

/// Decorates an answer that is given now, an error included.
pub(crate) fn decorate<B>(
    decoration: Decoration,
    answer: Result<ServiceResponse<B>, Error>,
    now: Timestamp,
) -> Result<ServiceResponse<B>, Error> {
    match answer {
        Ok(mut response) => {
            decoration(response.headers_mut(), now);
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                decoration(response.headers_mut(), now);
                response
            });
            Err(error)
        }
    }
}
