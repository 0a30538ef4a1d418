//! Name and address of an identity, which are wherever its schema has put them.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thunderhead_domain::import::{LeftOut, Remark};
use thunderhead_domain::user::Username;

/// Where in the traits something is: names of fields, with dots between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraitPath(String);

/// A text that is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path of a trait is names of fields with dots between them, as in contact.email")]
pub struct InvalidTraitPath;

impl FromStr for TraitPath {
    type Err = InvalidTraitPath;

    fn from_str(text: &str) -> Result<Self, InvalidTraitPath> {
        let fits = text.split('.').all(|name| !name.is_empty());
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidTraitPath) }
    }
}

impl fmt::Display for TraitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TraitPath {
    /// The text that is there.
    fn find<'a>(&self, traits: &'a Value) -> Option<&'a str> {
        let found = self.0.split('.').try_fold(traits, |value, name| value.get(name))?;
        found.as_str().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// What an identity is called.
pub(super) struct TraitNames {
    pub(super) username: String,
    pub(super) email: String,
    /// That the name is another one.
    pub(super) remark: Option<Remark>,
}

/// A name that cannot be one here, or is not there, is made from the address.
pub(super) fn names(traits: &Value, username: &TraitPath, email: &TraitPath) -> Result<TraitNames, LeftOut> {
    let email = email.find(traits).ok_or(LeftOut::Address)?.to_owned();
    let own = username.find(traits).unwrap_or_default();
    if let Ok(name) = Username::existing(own.to_owned()) {
        return Ok(TraitNames { username: name.as_str().to_owned(), email, remark: None });
    }
    let made = made_of(&email).ok_or(LeftOut::Name)?;
    let remark = Remark::Renamed { from: own.to_owned(), to: made.clone() };
    Ok(TraitNames { username: made, email, remark: Some(remark) })
}

/// What stands before the `@`, with a hyphen for whatever names do not have.
fn made_of(email: &str) -> Option<String> {
    let local = email.split('@').next().unwrap_or(email);
    let fitting = |character: char| {
        let is_fitting = character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
        if is_fitting { character } else { '-' }
    };
    let name: String =
        local.chars().map(fitting).skip_while(|first| matches!(first, '-' | '.')).take(Username::MAX).collect();
    Username::try_from(name).ok().map(|name| name.as_str().to_owned())
}
