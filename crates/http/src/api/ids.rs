//! Reading `ids`, or whatever a dialect calls them: an array of at most 50 texts or numbers. Those that are no id name
//! nothing and are left out.

use serde_json::Value;

use crate::api::error::ApiError;
use crate::request::body::Fields;

/// The most ids of one call, counted before anything is taken out.
const MOST_IDS: usize = 50;

/// The ids of the body, each read by `id`.
///
/// # Errors
/// Where there are too many. A value that is no array of texts and numbers is noted as a bad field.
pub(crate) fn ids<T>(fields: &mut Fields, id: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, ApiError> {
    ids_in(fields, "ids", id)
}

/// The same of a field of this name.
pub(crate) fn ids_in<T>(
    fields: &mut Fields,
    name: &'static str,
    id: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, ApiError> {
    let values = fields.required_array(name).unwrap_or_default();
    if values.len() > MOST_IDS {
        return Err(ApiError::TooManyIds);
    }
    if !values.iter().all(|value| value.is_string() || value.is_number()) {
        fields.reject(name);
    }
    Ok(values.iter().filter_map(id).collect())
}
