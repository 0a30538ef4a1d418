//! What a proxy requires of a request: the query of its question. A requirement that is not understood was meant to keep
//! somebody out, so it lets nobody through.

use actix_web::http::StatusCode;
use thunderhead_domain::assurance::ProofRequirement;
use thunderhead_domain::authorization::{Access, Requirement, ScopeRule};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

/// How much of a parameter's name is shown to the operator, in bytes.
const LONGEST_NAME: usize = 64;

/// What is required besides a live session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// All of these must be held.
    pub(super) scopes: Vec<Scope>,
    staff: bool,
    switches: &'static [KillSwitch],
    /// How the session must be proved.
    pub(super) proof: ProofRequirement,
    /// The status by which a browser is led to the pages that has no session, or one that is not proved so.
    pub(super) login: Option<StatusCode>,
}

/// Why a query is not understood. It holds the name of the parameter at fault and never its value, which a client may
/// have sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotUnderstood {
    #[error("no demands before the original path; - stands for none")]
    Nothing,
    #[error("there is no parameter {0:?}; there are scope, staff, switch, max_age, factor and login")]
    Parameter(String),
    #[error("scope must be one or several names of scopes, separated by spaces")]
    Scope,
    #[error("staff must be true or false, and stand there once")]
    Staff,
    #[error("switch must be the name of one kill switch, and stand there once")]
    Switch,
    #[error("max_age must be a number of seconds, one at least, and stand there once")]
    MaxAge,
    #[error("factor must be true or false, and stand there once")]
    Factor,
    #[error("login must be 302 or 401, and stand there once")]
    Login,
}

impl Requirements {
    /// Reads a query, without its question mark.
    pub(super) fn parse(query: &str) -> Result<Self, NotUnderstood> {
        let mut requirements = Self::default();
        let (mut staff, mut switch, mut max_age, mut factor, mut login) = (None, None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "scope" => requirements.scopes.extend(scopes(&value)?),
                "staff" if staff.is_none() => staff = Some(flag(&value).ok_or(NotUnderstood::Staff)?),
                "staff" => return Err(NotUnderstood::Staff),
                "switch" if switch.is_none() => switch = Some(switch_named(&value).ok_or(NotUnderstood::Switch)?),
                "switch" => return Err(NotUnderstood::Switch),
                "max_age" if max_age.is_none() => max_age = Some(age(&value).ok_or(NotUnderstood::MaxAge)?),
                "max_age" => return Err(NotUnderstood::MaxAge),
                "factor" if factor.is_none() => factor = Some(flag(&value).ok_or(NotUnderstood::Factor)?),
                "factor" => return Err(NotUnderstood::Factor),
                "login" if login.is_none() => login = Some(leading(&value).ok_or(NotUnderstood::Login)?),
                "login" => return Err(NotUnderstood::Login),
                other => {
                    let shown = other.get(..other.floor_char_boundary(LONGEST_NAME)).unwrap_or_default();
                    return Err(NotUnderstood::Parameter(shown.to_owned()));
                }
            }
        }
        requirements.staff = staff.unwrap_or(false);
        requirements.switches = switch.unwrap_or_default();
        requirements.proof = ProofRequirement { max_age, factor: factor.unwrap_or(false) };
        requirements.login = login;
        Ok(requirements)
    }

    /// What the API would require. A staff scope is named on behalf of a staff endpoint, and takes what that takes.
    /// Staff without such a scope takes all of staff's power, which a scoped session has by `ALL` alone.
    pub(super) fn to_requirement(&self) -> Requirement {
        let staff_scope = self.scopes.iter().copied().find(|scope| scope.is_staff());
        let access = match staff_scope {
            Some(scope) => Access::Staff(ScopeRule::Needs(scope)),
            None if self.staff => Access::Staff(ScopeRule::Needs(Scope::All)),
            None => Access::User(ScopeRule::Any),
        };
        Requirement { access, switches: self.switches, reverify: false }
    }
}

/// At least one: who names none has forgotten something.
fn scopes(value: &str) -> Result<Vec<Scope>, NotUnderstood> {
    let scopes = value.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<Scope>, _>>();
    scopes.ok().filter(|scopes| !scopes.is_empty()).ok_or(NotUnderstood::Scope)
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Seconds, in digits alone. A proof that may have no age at all can never be shown.
fn age(value: &str) -> Option<u32> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|seconds| digits && *seconds > 0)
}

/// nginx takes no redirect for an answer: it is told the place beside a 401.
fn leading(value: &str) -> Option<StatusCode> {
    match value {
        "302" => Some(StatusCode::FOUND),
        "401" => Some(StatusCode::UNAUTHORIZED),
        _ => None,
    }
}

/// The row of the table, which lives as long as a requirement must.
fn switch_named(name: &str) -> Option<&'static [KillSwitch]> {
    const ALL: [KillSwitch; KillSwitch::TABLE.len()] = {
        let mut all = [KillSwitch::Global; KillSwitch::TABLE.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = KillSwitch::TABLE[index].0;
            index += 1;
        }
        all
    };
    let index = KillSwitch::TABLE.iter().position(|(_, known)| *known == name)?;
    ALL.get(index..=index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn access(query: &str) -> Access {
        Requirements::parse(query).unwrap().to_requirement().access
    }

    #[test]
    fn a_query_requires_scopes_staff_and_a_switch() {
        let read = Requirements::parse("scope=FILE_READ+FILE_MODIFY&scope=UPLOAD_FILE&switch=FILE_CREATE").unwrap();
        assert_eq!(read.scopes, [Scope::FileRead, Scope::FileModify, Scope::UploadFile]);
        assert_eq!(read.to_requirement().switches, [KillSwitch::FileCreate]);
        for query in ["", "&", "staff=false", "staff=0", "scope=FILE_READ", "scope=%20FILE_READ++UPLOAD_FILE&"] {
            assert_eq!(access(query), Access::User(ScopeRule::Any), "{query}");
        }
        for query in ["staff=true", "staff=1", "st%61ff=tru%65", "staff=true&scope=FILE_READ"] {
            assert_eq!(access(query), Access::Staff(ScopeRule::Needs(Scope::All)), "{query}");
        }
        for query in ["scope=STAFF_READ_FILES", "staff=true&scope=FILE_READ+STAFF_READ_FILES"] {
            assert_eq!(access(query), Access::Staff(ScopeRule::Needs(Scope::StaffReadFiles)), "{query}");
        }
    }

    #[test]
    fn a_query_says_how_a_session_must_be_proved_and_where_browsers_are_led() {
        let proof = |query: &str| {
            let Requirements { proof, login, .. } = Requirements::parse(query).unwrap();
            (proof.max_age, proof.factor, login)
        };
        assert_eq!(proof("scope=FILE_READ"), (None, false, None));
        assert_eq!(proof("max_age=600&factor=true&login=302"), (Some(600), true, Some(StatusCode::FOUND)));
        assert_eq!(proof("factor=0&login=401&max_age=1"), (Some(1), false, Some(StatusCode::UNAUTHORIZED)));
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_repeats_no_value() {
        for (query, reason) in [
            ("staff", NotUnderstood::Staff),
            ("staff=", NotUnderstood::Staff),
            ("staff=TRUE", NotUnderstood::Staff),
            ("staff=yes", NotUnderstood::Staff),
            ("staff=+true", NotUnderstood::Staff),
            ("staff=false&staff=true", NotUnderstood::Staff),
            ("staff=true&staff=true", NotUnderstood::Staff),
            ("scope", NotUnderstood::Scope),
            ("scope=", NotUnderstood::Scope),
            ("scope=+", NotUnderstood::Scope),
            ("scope=FILE_READ&scope=", NotUnderstood::Scope),
            ("scope=file_read", NotUnderstood::Scope),
            ("scope=FILE_READ,UPLOAD_FILE", NotUnderstood::Scope),
            ("scope=FILE_READ;staff=true", NotUnderstood::Scope),
            ("scope=FULL", NotUnderstood::Scope),
            ("scope=7", NotUnderstood::Scope),
            ("scope=%ff", NotUnderstood::Scope),
            ("switch", NotUnderstood::Switch),
            ("switch=", NotUnderstood::Switch),
            ("switch=8", NotUnderstood::Switch),
            ("switch=global", NotUnderstood::Switch),
            ("switch=FILE_CREATE+FILE_MODIFY", NotUnderstood::Switch),
            ("switch=FILE_CREATE&switch=FILE_CREATE", NotUnderstood::Switch),
            ("Scope=FILE_READ", NotUnderstood::Parameter("Scope".to_owned())),
            ("scope[]=FILE_READ", NotUnderstood::Parameter("scope[]".to_owned())),
            ("scope=FILE_READ&+staff=true", NotUnderstood::Parameter(" staff".to_owned())),
            ("login", NotUnderstood::Login),
            ("login=", NotUnderstood::Login),
            ("login=303", NotUnderstood::Login),
            ("login=true", NotUnderstood::Login),
            ("login=302&login=302", NotUnderstood::Login),
            ("max_age", NotUnderstood::MaxAge),
            ("max_age=0", NotUnderstood::MaxAge),
            ("max_age=-1", NotUnderstood::MaxAge),
            ("max_age=+60", NotUnderstood::MaxAge),
            ("max_age=%2B60", NotUnderstood::MaxAge),
            ("max_age=60s", NotUnderstood::MaxAge),
            ("max_age=6.0", NotUnderstood::MaxAge),
            ("max_age=4294967296", NotUnderstood::MaxAge),
            ("max_age=60&max_age=60", NotUnderstood::MaxAge),
            ("factor", NotUnderstood::Factor),
            ("factor=yes", NotUnderstood::Factor),
            ("factor=true&factor=false", NotUnderstood::Factor),
            ("maxage=60", NotUnderstood::Parameter("maxage".to_owned())),
            ("=true", NotUnderstood::Parameter(String::new())),
            ("-", NotUnderstood::Parameter("-".to_owned())),
        ] {
            assert_eq!(Requirements::parse(query), Err(reason), "{query}");
        }
        let long = Requirements::parse(&format!("{}=secret", "ä".repeat(100))).unwrap_err();
        assert_eq!(long, NotUnderstood::Parameter("ä".repeat(32)));
    }

    proptest! {
        #[test]
        fn no_query_is_taken_for_less_than_it_says(query in "[!-~]{0,40}") {
            if let Ok(requirements) = Requirements::parse(&query) {
                let pairs = form_urlencoded::parse(query.as_bytes());
                let names: usize = pairs.filter(|(name, _)| name == "scope").count();
                prop_assert!(requirements.scopes.len() >= names);
            }
        }
    }
}
