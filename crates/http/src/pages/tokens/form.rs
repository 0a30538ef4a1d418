//! The form that makes a token, empty or with what is wrong.

use actix_web::HttpResponse;
use actix_web::cookie::time::{Date, Month};
use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_auth::sessions::scoped::ScopedLifetime;
use thunderhead_auth::settings::ScopedLifetimes;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::form::TextField;
use crate::pages::layout::{HtmlPage, Section, alert};
use crate::pages::once;
use crate::pages::tokens::scopes::{GROUPS, words};
use crate::request::body::Fields;

const TITLE: &str = "Make a token";
const DAY: i64 = 86_400;
/// Days that are offered.
const DAYS: [i64; 3] = [7, 30, 90];
/// What is chosen where nobody has chosen yet.
const USUAL: &str = "30";

/// What somebody asks for, as it was typed.
pub(super) struct NewTokenForm {
    pub(super) name: String,
    pub(super) scopes: u32,
    pub(super) expiry: String,
    pub(super) date: String,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenErrors {
    pub(super) problem: Option<&'static str>,
    pub(super) name: Option<&'static str>,
    pub(super) scopes: Option<&'static str>,
    pub(super) expiry: Option<&'static str>,
}

/// The name of a scope's box.
fn box_of(scope: Scope) -> String {
    format!("scope-{}", scope.name().to_ascii_lowercase())
}

impl NewTokenForm {
    pub(super) fn empty() -> Self {
        Self { name: String::new(), scopes: 0, expiry: USUAL.to_owned(), date: String::new() }
    }

    pub(super) fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        let ticked = Scope::TABLE.iter().filter(|(scope, _)| fields.has(&box_of(*scope)));
        let scopes = ticked.fold(0, |sum, (scope, _)| sum | scope.bit());
        Self { name: text("name"), scopes, expiry: text("expiry"), date: text("date") }
    }

    /// The scopes that are ticked, if any are.
    pub(super) fn scope_set(&self) -> Option<ScopeSet> {
        ScopeSet::from_flags(self.scopes.into()).ok()
    }

    /// How long it is to live; `None` where that cannot be.
    pub(super) fn lifetime(&self, lifetimes: &ScopedLifetimes, now: Timestamp) -> Option<ScopedLifetime> {
        let seconds = match self.expiry.as_str() {
            "longest" => return Some(ScopedLifetime::longest(lifetimes)),
            "date" => end_of(&self.date)?.checked_sub(now.unix_seconds())?,
            days => DAYS.into_iter().find(|offered| offered.to_string() == days)? * DAY,
        };
        ScopedLifetime::of_seconds(seconds, lifetimes).ok()
    }

    pub(super) fn show(
        &self,
        call: &Call,
        principal: &Principal,
        errors: TokenErrors,
        status: StatusCode,
    ) -> HttpResponse {
        let name = TextField {
            value: &self.name,
            hint: "So that you know it again: where it is used, and what for.",
            error: errors.name,
            focus: errors == TokenErrors::default() || errors.name.is_some(),
            ..TextField::new("name", "Name")
        };
        let main = html! {
            h1 { (TITLE) }
            @if let Some(problem) = errors.problem { (alert(problem)) }
            form method="post" action="/account/tokens/new" {
                (once::field(call))
                (name.shown())
                (self.scope_boxes(principal.user().staff, errors.scopes))
                (self.expiry_choice(&call.auth().policy().scoped_lifetimes(principal.user()), errors.expiry))
                div.row { button { (TITLE) } a href="/account/tokens" { "Cancel" } }
            }
        };
        HtmlPage::of(call, principal, Section::Tokens, TITLE).status(status).show(&main)
    }

    fn scope_boxes(&self, staff: bool, error: Option<&str>) -> Markup {
        let described = error.map(|_| "scopes-error");
        html! {
            fieldset aria-describedby=[described] {
                legend { "What it may do" }
                @if let Some(error) = error { p.error #scopes-error { (error) } }
                @for group in GROUPS.iter().filter(|group| staff || !group.for_staff) {
                    fieldset.group {
                        legend { (group.name) }
                        @for scope in group.scopes {
                            @let id = box_of(*scope);
                            div.choice {
                                input type="checkbox" id=(id) name=(id) value="on"
                                    checked[self.scopes & scope.bit() != 0];
                                label for=(id) { (words(*scope)) " " small.mono { (scope.name()) } }
                            }
                        }
                    }
                }
            }
        }
    }

    fn expiry_choice(&self, lifetimes: &ScopedLifetimes, error: Option<&str>) -> Markup {
        let offered = DAYS.into_iter().filter(|days| ScopedLifetime::of_seconds(days * DAY, lifetimes).is_ok());
        let choices: Vec<(String, String)> = offered.map(|days| (days.to_string(), format!("{days} days"))).collect();
        let radio = |value: &str, label: &Markup| {
            let id = format!("expiry-{value}");
            html! {
                div.choice {
                    input type="radio" id=(id) name="expiry" value=(value) checked[self.expiry == value];
                    label for=(id) { (label) }
                }
            }
        };
        html! {
            fieldset aria-describedby=[error.map(|_| "expiry-error")] {
                legend { "How long it is good" }
                @if let Some(error) = error { p.error #expiry-error { (error) } }
                @for (value, label) in &choices { (radio(value, &html! { (label) })) }
                (radio("date", &html! { "to the end of a day (UTC)" }))
                div.field.inset {
                    label.sr for="date" { "The day" }
                    input type="date" id="date" name="date" value=(self.date);
                }
                (radio("longest", &html! { "as long as any may be" }))
            }
        }
    }
}

/// The last second of a day, `2026-01-31`.
fn end_of(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok().filter(|year| (1_970..=9_999).contains(year))?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()?;
    Some(date.next_day()?.midnight().assume_utc().unix_timestamp() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: ScopedLifetimes = ScopedLifetimes { ordinary: 1, long: 30 * DAY, longest: 60 * DAY };

    fn lifetime(expiry: &str, date: &str) -> Option<ScopedLifetime> {
        let (expiry, date) = (expiry.to_owned(), date.to_owned());
        let form = NewTokenForm { expiry, date, ..NewTokenForm::empty() };
        // 2027-01-15T08:00:00Z
        form.lifetime(&LIFETIMES, Timestamp::from_unix_seconds(1_800_000_000))
    }

    fn seconds(seconds: i64) -> Option<ScopedLifetime> {
        ScopedLifetime::of_seconds(seconds, &LIFETIMES).ok()
    }

    #[test]
    fn a_life_is_days_a_day_or_the_longest() {
        assert_eq!(lifetime("7", ""), seconds(7 * DAY));
        assert_eq!(lifetime("longest", ""), seconds(60 * DAY));
        assert_eq!(lifetime("date", "2027-01-15"), seconds(16 * 3_600 - 1));
        assert_eq!(lifetime("date", "2027-02-28"), seconds(44 * DAY + 16 * 3_600 - 1));
        for (expiry, date) in [
            ("", ""),
            ("8", ""),
            ("90", ""),
            ("-7", ""),
            ("date", ""),
            ("date", "2027-01-14"),
            ("date", "2027-02-29"),
            ("date", "2027-13-01"),
            ("date", "2027-12-01"),
            ("date", "99999-01-01"),
            ("date", "tomorrow"),
        ] {
            assert_eq!(lifetime(expiry, date), None, "{expiry} {date}");
        }
    }
}
