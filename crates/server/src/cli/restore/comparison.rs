//! What a restoration changes back, in words.

use std::fmt;

use anyhow::Error;
use serde::Serialize;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_storage::{Difference, DifferenceKind, SnapshotError};

/// What is so where nobody can tell what exactly it is.
const IN_GENERAL: &str = "Everything else is as it was when the backup was made: bans that were lifted since hold again, \
    bans that were put are gone, and so it is with rights of staff, passwords, names and addresses, second factors, backup \
    codes and links that were spent, kill switches, services, webhooks and deleted accounts.";

/// The backup against the database that was there.
pub(super) enum Comparison {
    /// There was none.
    Nothing,
    /// What is other.
    Made(Vec<Difference>),
    /// It could not be read, for this reason.
    Unreadable(String),
}

/// One kind of difference in JSON.
#[derive(Serialize)]
pub(super) struct DifferenceJson {
    what: &'static str,
    count: u64,
    names: Vec<String>,
}

impl Comparison {
    pub(super) fn unreadable(error: SnapshotError) -> Self {
        Self::Unreadable(format!("{:#}", Error::from(error)))
    }

    /// The differences, where they are known.
    pub(super) fn json(&self) -> Option<Vec<DifferenceJson>> {
        let Self::Made(differences) = self else { return None };
        let json = |difference: &Difference| DifferenceJson {
            what: words(difference.kind).0,
            count: difference.count,
            names: names(difference),
        };
        Some(differences.iter().map(json).collect())
    }

    /// The lines, where there is something to say.
    pub(super) fn shown(&self) -> Option<String> {
        let text = self.to_string();
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Unreadable(why) => write!(f, "What was there cannot be compared with it ({why}). {IN_GENERAL}"),
            Self::Made(differences) if differences.is_empty() => f.write_str("Nothing else has changed."),
            Self::Made(differences) => {
                f.write_str("Otherwise than it was a moment ago:")?;
                for difference in differences {
                    let names = names(difference);
                    let more = if difference.more { ", …" } else { "" };
                    write!(f, "\n  {}: {} ({}{more})", words(difference.kind).1, difference.count, names.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

/// Switches by their names.
fn names(difference: &Difference) -> Vec<String> {
    let name = |found: &String| match difference.kind {
        DifferenceKind::SwitchReturns | DifferenceKind::SwitchGone => {
            let switch = found.parse().ok().and_then(KillSwitch::from_id);
            switch.map_or_else(|| found.clone(), |switch| switch.name().to_owned())
        }
        _ => found.clone(),
    };
    difference.names.iter().map(name).collect()
}

/// The kind's name for programs, and for people.
const fn words(kind: DifferenceKind) -> (&'static str, &'static str) {
    match kind {
        DifferenceKind::BanReturns => ("bans-back", "banned again"),
        DifferenceKind::BanGone => ("bans-gone", "not banned any more"),
        DifferenceKind::StaffReturns => ("staff-back", "staff again"),
        DifferenceKind::StaffGone => ("staff-gone", "not staff any more"),
        DifferenceKind::PasswordReturns => ("passwords-back", "former password good again"),
        DifferenceKind::NameReturns => ("names-back", "former name or address"),
        DifferenceKind::VerificationGone => ("verifications-gone", "addresses that are no longer verified"),
        DifferenceKind::AccountReturns => ("accounts-back", "accounts that were deleted, or never were there"),
        DifferenceKind::AccountGone => ("accounts-gone", "accounts that are gone"),
        DifferenceKind::FactorReturns => ("factors-back", "removed second factors that are back"),
        DifferenceKind::FactorGone => ("factors-gone", "second factors that are gone"),
        DifferenceKind::CodeReturns => ("codes-back", "spent backup codes that are good again"),
        DifferenceKind::ChallengeReturns => ("challenges-back", "spent challenges and links that are good again"),
        DifferenceKind::SwitchReturns => ("switches-on", "kill switches on again"),
        DifferenceKind::SwitchGone => ("switches-off", "kill switches off again"),
        DifferenceKind::ServiceReturns => ("services-back", "revoked services that may ask again"),
        DifferenceKind::ServiceGone => ("services-gone", "services that are unknown"),
        DifferenceKind::WebhookReturns => ("webhooks-back", "removed webhooks that get events again"),
        DifferenceKind::WebhookGone => ("webhooks-gone", "webhooks that are unknown"),
        DifferenceKind::SigningKeyGone => ("keys-gone", "signing keys that are gone, with the tokens that they signed"),
        DifferenceKind::SessionReturns => ("sessions-back", "sessions that had ended"),
        DifferenceKind::SessionGone => ("sessions-gone", "live sessions that are gone"),
        DifferenceKind::RecordGone => ("records-gone", "records that are gone from the audit trail"),
    }
}
