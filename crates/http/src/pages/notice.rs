//! What a page says once about what has just been done: a code of this list, which the next page takes out of a cookie.
//! Nothing that is said travels in an address.

use actix_web::HttpResponse;
use maud::{Markup, html};

use crate::access::call::Call;
use crate::pages::words::counted;
use crate::request::cookie::set_cookie;

/// How long the next page may take to come, in seconds.
const SECONDS: i64 = 60;

/// Declares the notices, each with its code and its words. Those that count have their number behind the code.
macro_rules! notices {
    ($($Name:ident $code:literal: $words:literal,)* ; $($Count:ident $count_code:literal: $count_words:expr,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Notice {
            $($Name,)*
            $($Count(u64),)*
        }

        impl Notice {
            fn code(self) -> String {
                match self {
                    $(Self::$Name => $code.to_owned(),)*
                    $(Self::$Count(count) => format!("{}.{count}", $count_code),)*
                }
            }

            fn of(text: &str) -> Option<Self> {
                match text.split_once('.') {
                    None => match text {
                        $($code => Some(Self::$Name),)*
                        _ => None,
                    },
                    Some((code, count)) => {
                        let count = count.parse().ok()?;
                        match code {
                            $($count_code => Some(Self::$Count(count)),)*
                            _ => None,
                        }
                    }
                }
            }

            fn words(self) -> String {
                match self {
                    $(Self::$Name => $words.to_owned(),)*
                    $(Self::$Count(count) => $count_words(i64::try_from(count).unwrap_or(i64::MAX)),)*
                }
            }
        }
    };
}

notices! {
    SignedOut "signed-out": "You are signed out.",
    PasswordSet "password-set": "The password is set. Sign in with it.",
    SessionEnded "session-ended": "The session is ended.",
    UserBanned "user-banned": "The user is banned. All their sessions are over.",
    UserUnbanned "user-unbanned": "The ban is lifted. The user may sign in again.",
    UserChanged "user-changed": "It is changed.",
    UserPromoted "user-promoted": "The user is staff now. All their sessions are over.",
    UserDemoted "user-demoted": "The user is no longer staff.",
    UserDeleted "user-deleted": "The account is deleted.",
    SwitchShut "switch-shut": "It is shut, from the next request on.",
    SwitchOpened "switch-opened": "It is open again.",
    SessionOver "session-over": "That session was over already.",
    Renamed "renamed": "The user name is changed.",
    Readdressed "readdressed": "The e-mail address is changed.",
    FactorAdded "factor-added": "The second factor is added. If somebody else may be signed in, end the other sessions.",
    FactorRemoved "factor-removed": "The second factor is removed. If somebody else has it, end the other sessions, too.",
    PasswordRemoved "password-removed": "You sign in by passkeys alone now. All other sessions are over.",
    PasskeysNeeded "passkeys-needed": "Without a password it takes two passkeys, or one and backup codes. Nothing was changed.",
    FactorGone "factor-gone": "That second factor was gone already.",
    EnrolmentOver "enrolment-over": "That took too long, or failed too often. Begin again.",
    CodesChanged "codes-changed": "The backup codes have changed since that page was shown. Nothing was made anew.",
    TokenMade "token-made": "That token was made already, and shown once. If you do not have it, end it and make another.",
    LinkMade "link-made": "That link was made already, and shown once. If nobody has it, make another.",
    TokenEnded "token-ended": "The token is ended.",
    TokenOver "token-over": "That token was over already.",
    ;
    PasswordChanged "password-changed": |count| match count {
        0 => "The password is changed.".to_owned(),
        _ => format!("The password is changed, and {} ended.", were(count)),
    },
    OthersEnded "others-ended": |count| match count {
        0 => "There was no other session.".to_owned(),
        _ => format!("{} ended. You are still signed in here.", were(count)),
    },
    UsersSessionsEnded "users-sessions-ended": |count| match count {
        0 => "The user had no session.".to_owned(),
        _ => format!("{} ended.", were(count)),
    },
    UsersFactorsRemoved "users-factors-removed": |count| format!("{} removed.", factors_were(count)),
    AllEnded "all-ended": |count| format!("{} ended, this one too. You are signed out everywhere.", were(count)),
}

/// `1 second factor was`, `2 second factors were`
fn factors_were(count: i64) -> String {
    format!("{} {}", counted(count, "second factor"), if count == 1 { "was" } else { "were" })
}

/// `1 session was`, `2 sessions were`
fn were(count: i64) -> String {
    format!("{} {}", counted(count, "session"), if count == 1 { "was" } else { "were" })
}

impl Notice {
    /// Has the next page say this.
    pub(crate) fn write(self, call: &Call, response: &mut HttpResponse) {
        set_cookie(response, &call.cookie().notice(self.code(), SECONDS));
    }

    /// What is to be said now, which is thereby said.
    pub(super) fn take(call: &Call, response: &mut HttpResponse) {
        if call.request().cookie(call.cookie().notice_name()).is_some() {
            set_cookie(response, &call.cookie().notice(String::new(), 0));
        }
    }

    /// What is to be said now.
    pub(super) fn waiting(call: &Call) -> Option<Self> {
        call.request().cookie(call.cookie().notice_name()).and_then(|cookie| Self::of(cookie.value()))
    }

    pub(super) fn shown(self) -> Markup {
        html! { div.note.good role="status" { p { (self.words()) } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_what_its_code_says_and_nothing_else_is_one() {
        for notice in [Notice::SignedOut, Notice::SessionEnded, Notice::OthersEnded(12), Notice::AllEnded(u64::MAX)] {
            assert_eq!(Notice::of(&notice.code()), Some(notice));
        }
        for other in ["", "signed-out.1", "others-ended", "others-ended.", "others-ended.-1", "<b>", "unknown"] {
            assert_eq!(Notice::of(other), None, "{other}");
        }
        assert_eq!(Notice::OthersEnded(1).words(), "1 session was ended. You are still signed in here.");
    }
}
