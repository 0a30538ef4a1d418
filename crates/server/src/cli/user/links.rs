//! One-time links: `thunderhead user link`, and `thunderhead user create --link`.

use serde::Serialize;
use thunderhead_auth::credentials::link::OneTimeLink;
use thunderhead_auth::operator::{Invitation, Operator};

use super::super::form::Form;
use super::hasher;
use super::view::{KnownJson, UserJson};
use crate::config::Config;
use crate::error::CommandError;

/// A link in JSON, with the user that it is for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkJson<U> {
    #[serde(flatten)]
    user: U,
    link: String,
    link_expires_at: String,
}

impl<U> LinkJson<U> {
    fn new(config: &Config, user: U, link: &OneTimeLink) -> Self {
        Self { user, link: address(config, link), link_expires_at: link.expires_at.to_string() }
    }

    /// The same for a person.
    fn plain(&self) -> String {
        format!("Good once, until {}:\n{}", self.link_expires_at, self.link)
    }
}

/// Makes a link for somebody who has lost their password.
pub(super) async fn make(config: &Config, operator: &Operator, user: &str, form: Form) -> Result<String, CommandError> {
    let (user, link) = operator.link_create(user).await?;
    let made = LinkJson::new(config, KnownJson::from(&user), &link);
    form.print(&made, || format!("A link by which {user} sets a password. {}", made.plain()))
}

/// Makes a user, and a link for them.
pub(super) async fn invite(
    config: &Config,
    operator: &Operator,
    invitation: Invitation,
    form: Form,
) -> Result<String, CommandError> {
    let (user, link) = operator.account_invite(&hasher(config)?, invitation).await?;
    let made = LinkJson::new(config, UserJson::from(&user), &link);
    let title = if user.staff { " as staff" } else { "" };
    form.print(&made, || {
        format!("Made {} ({}){title}. A link by which they set a password. {}", user.username, user.id, made.plain())
    })
}

/// Where it leads; the path alone where nobody knows where browsers find the server.
fn address(config: &Config, link: &OneTimeLink) -> String {
    let path = link.path();
    config.http.public_url.as_ref().map_or(path.clone(), |url| url.at(&path))
}
