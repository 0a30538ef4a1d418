//! `/staff/sessions/{uuid}/end` and `/staff/users/{uid}/end-sessions`: they ask, and end a session or all of a user.

use maud::html;
use thunderhead_domain::authorization::{AuthenticatedSession, StaffPrincipal};
use thunderhead_domain::id::SessionUuid;
use uuid::Uuid;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::see_other_saying;
use crate::pages::notice::Notice;
use crate::pages::staff::places::{
    StaffPlace, can_be_ended, session_kind, session_state, show, user_id, user_link, user_path, user_tags,
};
use crate::pages::words::{time, time_or};

fn named(call: &Call) -> Result<SessionUuid, PageError> {
    Uuid::try_parse(call.path("uuid")).map(SessionUuid).map_err(|_| PageError::NotFound)
}

pub(super) async fn ask(staff: StaffPrincipal, call: Call) -> PageResult {
    let now = call.auth().clock().now();
    let found = call.auth().sessions.all(&staff).show(named(&call)?).await?.ok_or(PageError::NotFound)?;
    let AuthenticatedSession { session, user } = &found;
    let main = html! {
        h1 { "End a session" }
        dl.facts {
            dt { "Session" } dd { (session.name.as_str()) }
            dt { "Of" } dd { (user_link(user)) (user_tags(user)) }
            dt { "What it is" } dd { (session_kind(session)) }
            dt { "From" } dd { @match session.origin.client_ip { Some(address) => (address), None => "–" } }
            dt { "Signed in" } dd { (time(session.created_at, now)) }
            dt { "Last used" } dd { (time_or(session.used_at, now, "never")) }
            dt { "State" } dd { (session_state(&found, now)) }
        }
        @if can_be_ended(&found, now) {
            p { "Whoever uses it is signed out with the next request, everywhere. Nothing brings the session back." }
            div.row {
                form method="post" { button.danger { "End the session" } }
                a.button.plain href=(user_path(user.id)) { "Leave it" }
            }
        } @else {
            p { "It is over. There is nothing to be ended." }
            p { a href=(user_path(user.id)) { "Back to " (user.username) } }
        }
    };
    Ok(show(&call, &staff, StaffPlace::Search, "End a session", &main))
}

pub(super) async fn end(staff: StaffPrincipal, call: Call) -> PageResult {
    let (uuid, all) = (named(&call)?, call.auth().sessions.all(&staff));
    let found = all.find(uuid).await?.ok_or(PageError::NotFound)?;
    let ended = all.end(uuid).await?.ok_or(PageError::NotFound)?;
    let notice = if ended { Notice::SessionEnded } else { Notice::SessionOver };
    Ok(see_other_saying(&call, &user_path(found.user), notice))
}

pub(super) async fn ask_all(staff: StaffPrincipal, call: Call) -> PageResult {
    let user = call.auth().accounts.show(&staff, user_id(&call)?).await?;
    let main = html! {
        h1 { "End all sessions of " (user.username) }
        p { "All sessions and tokens of the user end, on every device. They may sign in again." }
        div.row {
            form method="post" { button.danger { "End all sessions" } }
            a.button.plain href=(user_path(user.id)) { "Leave them" }
        }
    };
    Ok(show(&call, &staff, StaffPlace::Search, "End all sessions", &main))
}

pub(super) async fn end_all(staff: StaffPrincipal, call: Call) -> PageResult {
    let id = user_id(&call)?;
    let count = call.auth().sessions.of_user(&staff, id).await?.end_all().await?;
    Ok(see_other_saying(&call, &user_path(id), Notice::UsersSessionsEnded(count)))
}
