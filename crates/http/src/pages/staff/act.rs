//! What staff change of users. Each act asks on a page of its own, and is done by the form on it. The API asks for
//! reverification; here the session must have been confirmed a moment ago, when the form is shown and when it is sent.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use thunderhead_auth::changes::target::OtherUser;
use thunderhead_auth::changes::{ChangeError, Reverified};
use thunderhead_domain::authorization::ScopeRule::Never;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::factor::{FactorChoice, OtherSessions};
use thunderhead_domain::id::UserId;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::{User, Username};

use crate::access::call::Call;
use crate::access::endpoint::Endpoint;
use crate::access::route::staff as staff_row;
use crate::api::fields::Reason;
use crate::pages::confirm::confirmed;
use crate::pages::docs;
use crate::pages::error::{CONFIRM, PageError, PageResult};
use crate::pages::form::TextField;
use crate::pages::layout::{see_other, see_other_saying};
use crate::pages::notice::Notice;
use crate::pages::once;
use crate::pages::redirect::leading_to;
use crate::pages::staff::link;
use crate::pages::staff::places::{StaffPlace, show_with, user_id, user_path, user_tags};
use crate::request::body::Fields;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Ban,
    Unban,
    Verify,
    Unverify,
    Rename,
    RemoveFactors,
    Link,
    Promote,
    Demote,
    Delete,
}

/// What an act is asked and done with.
struct Words {
    path: &'static str,
    /// What leads to it.
    label: &'static str,
    /// What does it.
    button: &'static str,
    /// What it does.
    text: &'static str,
}

impl Act {
    pub(super) const ALL: [Self; 10] = [
        Self::Ban,
        Self::Unban,
        Self::Verify,
        Self::Unverify,
        Self::Rename,
        Self::RemoveFactors,
        Self::Link,
        Self::Promote,
        Self::Demote,
        Self::Delete,
    ];

    const fn words(self) -> Words {
        let (path, label, button, text) = match self {
            Self::Ban => (
                "/staff/users/{uid}/ban",
                "Ban",
                "Ban the user",
                "All sessions and tokens of the user end, and they cannot sign in until the ban is lifted.",
            ),
            Self::Unban => (
                "/staff/users/{uid}/unban",
                "Lift the ban",
                "Lift the ban",
                "The user may sign in again. Sessions that the ban ended stay ended.",
            ),
            Self::Verify => (
                "/staff/users/{uid}/verify",
                "Verify the address",
                "Mark as verified",
                "The e-mail address counts as the user’s own from now on.",
            ),
            Self::Unverify => (
                "/staff/users/{uid}/unverify",
                "Take back the verification",
                "Mark as not verified",
                "The e-mail address no longer counts as the user’s own.",
            ),
            Self::Rename => (
                "/staff/users/{uid}/rename",
                "Rename",
                "Rename the user",
                "The user signs in with the new name from now on. Sessions go on, and anybody may take the old name.",
            ),
            Self::RemoveFactors => (
                "/staff/users/{uid}/remove-factors",
                "Remove second factors",
                "Remove all second factors",
                "All second factors and backup codes of the user are removed: the password alone signs them in. Be sure that it is they who ask.",
            ),
            Self::Link => (
                "/staff/users/{uid}/link",
                "One-time link",
                "Make the link",
                "Whoever opens the link sets a new password, which ends every session of the account. It is good once, for a day, and is shown to you this once. Give it to nobody but the user: be sure that it is they who ask.",
            ),
            Self::Promote => (
                "/staff/users/{uid}/promote",
                "Make staff",
                "Make the user staff",
                "The user may do all that you may, to everybody. All their sessions and tokens end, so that none gains that power.",
            ),
            Self::Demote => (
                "/staff/users/{uid}/demote",
                "Take away staff rights",
                "Take away staff rights",
                "The user is no longer staff, with the next request. Their tokens with staff scopes end.",
            ),
            Self::Delete => (
                "/staff/users/{uid}/delete",
                "Delete",
                "Delete the account for good",
                "The account goes with all its sessions, tokens and second factors. Nothing brings it back; the audit trail stays.",
            ),
        };
        Words { path, label, button, text }
    }

    /// The last part of its path.
    pub(super) fn name(self) -> &'static str {
        self.words().path.rsplit('/').next().unwrap_or_default()
    }

    pub(super) const fn label(self) -> &'static str {
        self.words().label
    }

    /// Whether it takes something from the user.
    pub(super) const fn is_harmful(self) -> bool {
        match self {
            Self::Ban | Self::RemoveFactors | Self::Demote | Self::Delete => true,
            Self::Unban | Self::Verify | Self::Unverify | Self::Rename | Self::Link | Self::Promote => false,
        }
    }

    /// Whether there is anything to be done, and by this member of staff.
    pub(super) fn is_for(self, staff: &StaffPrincipal, user: &User) -> bool {
        let other = staff.principal().user().id != user.id;
        match self {
            Self::Rename => true,
            Self::Ban | Self::Link => other && user.banned_at.is_none(),
            Self::Unban => user.banned_at.is_some(),
            Self::Verify => user.verified_at.is_none(),
            Self::Unverify => user.verified_at.is_some(),
            Self::RemoveFactors => other && user.has_second_factor,
            Self::Promote => !user.staff && user.has_second_factor,
            Self::Demote => other && user.staff,
            Self::Delete => other,
        }
    }

    const fn switches(self) -> &'static [KillSwitch] {
        match self {
            Self::RemoveFactors | Self::Link => &[KillSwitch::AccountModify],
            Self::Ban | Self::Unban | Self::Verify | Self::Unverify | Self::Rename | Self::Promote => &[],
            Self::Demote | Self::Delete => &[],
        }
    }

    fn field(self, call: &Call, user: &User, wrong: Option<&Wrong>) -> Option<Markup> {
        let (typed, error) = wrong.map_or((None, None), |wrong| (Some(wrong.typed.as_str()), Some(wrong.words)));
        let field = match self {
            Self::Ban => TextField {
                hint: "For the audit trail; the user does not see it. May be left out.",
                optional: true,
                value: typed.unwrap_or_default(),
                error,
                ..TextField::new("reason", "Reason")
            },
            Self::Rename => {
                let value = typed.unwrap_or(user.username.as_str());
                TextField { value, error, ..TextField::new("username", "New name") }
            }
            Self::Link => return Some(link::field(call, error)),
            Self::Unban | Self::Verify | Self::Unverify | Self::RemoveFactors => return None,
            Self::Promote | Self::Demote | Self::Delete => return None,
        };
        Some(field.shown())
    }
}

pub(super) fn table() -> Vec<Endpoint> {
    let rows = |act: Act| {
        let path = act.words().path;
        let ask = staff_row(Method::GET, path, Never, move |staff, call| ask(act, staff, call), docs::page);
        let submit = staff_row(Method::POST, path, Never, move |staff, call| submit(act, staff, call), docs::form);
        let submit = submit.under(act.switches());
        [ask, submit.reverified()]
    };
    Act::ALL.into_iter().flat_map(rows).collect()
}

async fn ask(act: Act, staff: StaffPrincipal, call: Call) -> PageResult {
    let user = call.auth().accounts.show(&staff, user_id(&call)?).await?;
    confirmed(&call, staff.clone())?;
    Ok(question(act, &staff, &call, &user, None))
}

/// The answer to a form, whose confirmation may have run out before it was sent: that leads to the page that confirms,
/// and from there back to the question.
pub(super) fn or_confirm_anew(call: &Call, outcome: PageResult) -> PageResult {
    match outcome {
        Err(PageError::Confirm) => Ok(see_other(call.request(), &leading_to(CONFIRM, call.request().path()))),
        outcome => outcome,
    }
}

fn question(act: Act, staff: &StaffPrincipal, call: &Call, user: &User, wrong: Option<&Wrong>) -> HttpResponse {
    let Words { label, button, text, .. } = act.words();
    let title = format!("{label}: {}", user.username);
    let main = html! {
        h1 { (label) ": " (user.username) (user_tags(user)) }
        p { (text) }
        form method="post" {
            @if let Some(field) = act.field(call, user, wrong) { (field) }
            div.row {
                button.danger[act.is_harmful()] { (button) }
                a.button.plain href=(user_path(user.id)) { "Leave it" }
            }
        }
    };
    let status = wrong.map_or(StatusCode::OK, |wrong| wrong.status);
    show_with(status, call, staff, StaffPlace::Search, &title, &main)
}

async fn submit(act: Act, staff: StaffPrincipal, call: Call) -> PageResult {
    or_confirm_anew(&call, attempt(act, &staff, &call).await)
}

async fn attempt(act: Act, staff: &StaffPrincipal, call: &Call) -> PageResult {
    let id = user_id(call)?;
    let fields = call.form().await?;
    let reverified = confirmed(call, staff.clone())?;
    match perform(act, call, id, reverified, &fields).await? {
        Performed::Shown(page) => Ok(page),
        Performed::Done(notice) => {
            let place = if notice == Notice::UserDeleted { "/staff".to_owned() } else { user_path(id) };
            Ok(see_other_saying(call, &place, notice))
        }
        Performed::Unacceptable(wrong) => {
            let user = call.auth().accounts.show(staff, id).await?;
            Ok(question(act, staff, call, &user, Some(&wrong)))
        }
    }
}

/// What came of it.
enum Performed {
    Done(Notice),
    /// It is shown this once, as the answer to the form.
    Shown(HttpResponse),
    Unacceptable(Wrong),
}

/// What was typed and cannot be.
struct Wrong {
    status: StatusCode,
    words: &'static str,
    typed: String,
}

impl Wrong {
    fn told(status: StatusCode, words: &'static str, typed: &str) -> Performed {
        Performed::Unacceptable(Self { status, words, typed: typed.to_owned() })
    }
}

async fn perform(
    act: Act,
    call: &Call,
    id: UserId,
    reverified: Reverified<StaffPrincipal>,
    fields: &Fields,
) -> Result<Performed, PageError> {
    let auth = call.auth();
    let other = OtherUser::than(reverified.caller(), id);
    let notice = match act {
        Act::Ban => {
            let reason = fields.text("reason").unwrap_or_default().trim();
            let Some(Reason(text)) = Reason::of(reason.to_owned()) else {
                return Ok(Wrong::told(StatusCode::BAD_REQUEST, "One line of at most 1,024 characters.", reason));
            };
            auth.accounts.ban(reverified.of(other?), Some(text).filter(|text| !text.is_empty())).await?;
            Notice::UserBanned
        }
        Act::Unban => {
            auth.accounts.unban(reverified.of(id)).await?;
            Notice::UserUnbanned
        }
        Act::Verify | Act::Unverify => {
            auth.accounts.set_verified(reverified.of(id), act == Act::Verify).await?;
            Notice::UserChanged
        }
        Act::Rename => {
            let typed = fields.text("username").unwrap_or_default().trim();
            let Ok(name) = Username::try_from(typed.to_owned()) else {
                const RULE: &str =
                    "1 to 64 of a–z, A–Z, 0–9, _, - and . – the first a letter, a digit or _, and not 13 digits.";
                return Ok(Wrong::told(StatusCode::BAD_REQUEST, RULE, typed));
            };
            match auth.accounts.rename(reverified.of(id), name).await {
                Err(ChangeError::Refused(Refusal::Taken)) => {
                    return Ok(Wrong::told(StatusCode::CONFLICT, "Somebody else has this name.", typed));
                }
                renamed => renamed?,
            };
            Notice::UserChanged
        }
        Act::RemoveFactors => {
            let (change, all) = (reverified.of(other?), FactorChoice::All);
            Notice::UsersFactorsRemoved(auth.factors.remove(change, all, OtherSessions::Stay).await?)
        }
        Act::Link => {
            let Some(form) = once::sent(call, fields) else {
                return Ok(Wrong::told(StatusCode::CONFLICT, once::LAY_OPEN, ""));
            };
            match link::make(call, reverified, other?, &form).await? {
                Some(page) => return Ok(Performed::Shown(page)),
                None => Notice::LinkMade,
            }
        }
        Act::Promote => {
            auth.accounts.promote(reverified.of(id)).await?;
            Notice::UserPromoted
        }
        Act::Demote => {
            auth.accounts.demote(reverified.of(other?)).await?;
            Notice::UserDemoted
        }
        Act::Delete => {
            auth.accounts.delete(reverified.of(other?)).await?;
            Notice::UserDeleted
        }
    };
    Ok(Performed::Done(notice))
}
