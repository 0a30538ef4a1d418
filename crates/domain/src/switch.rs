//! Kill switches: what staff can turn off in an emergency (`docs/MODEL.md`, *Kill switches*).

use std::fmt;
use std::str::FromStr;

use crate::named::named;
use crate::session::Actor;
use crate::time::Timestamp;

named! {
    /// What a switch turns off. The value is its id on the wire.
    KillSwitch:
    /// Registration.
    AccountCreate = 0 "ACCOUNT_CREATE",
    /// Changes to an account, its sessions and its factors.
    AccountModify = 1 "ACCOUNT_MODIFY",
    /// The deletion of accounts.
    AccountDelete = 2 "ACCOUNT_DELETE",
    /// Mails that verify an address.
    AccountEmailVerify = 3 "ACCOUNT_EMAIL_VERIFY",
    /// Logins, and new scoped sessions.
    AccountLogin = 4 "ACCOUNT_LOGIN",
    /// New files, in services beside this one.
    FileCreate = 5 "FILE_CREATE",
    /// Changes to files, in services beside this one.
    FileModify = 6 "FILE_MODIFY",
    /// The deletion of files, in services beside this one.
    FileDelete = 7 "FILE_DELETE",
    /// Every endpoint of the API.
    Global = 8 "GLOBAL",
}

impl KillSwitch {
    /// The number that answers call `feature`.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The switch with this id.
    pub fn from_id(id: i64) -> Option<Self> {
        let index = usize::try_from(id).ok()?;
        Self::TABLE.get(index).map(|(switch, _)| *switch)
    }
}

impl fmt::Display for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is neither a switch's name nor its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name or number of a kill switch")]
pub struct UnknownSwitch;

/// By name (`ACCOUNT_LOGIN`) or by number (`4`, a single digit: a blank is not switch 0).
impl FromStr for KillSwitch {
    type Err = UnknownSwitch;

    fn from_str(text: &str) -> Result<Self, UnknownSwitch> {
        let by_number = match text.as_bytes() {
            [digit @ b'0'..=b'9'] => Self::from_id(i64::from(digit - b'0')),
            _ => None,
        };
        by_number.or_else(|| Self::from_name(text)).ok_or(UnknownSwitch)
    }
}

/// A switch that was turned, as the last who did it left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnedSwitch {
    /// Which.
    pub switch: KillSwitch,
    /// Whether it is on.
    pub on: bool,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: Actor,
}

/// Which switches are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchSet(u16);

impl SwitchSet {
    /// All off.
    pub const NONE: Self = Self(0);

    /// This set with one more switch on.
    #[must_use]
    pub const fn with(self, switch: KillSwitch) -> Self {
        Self(self.0 | 1 << switch.id())
    }

    /// Whether the switch is on.
    pub const fn is_on(self, switch: KillSwitch) -> bool {
        self.0 & (1 << switch.id()) != 0
    }

    /// The switch that shuts an endpoint which stands under `switches`: GLOBAL first, then in the order given.
    pub fn shutting(self, switches: &[KillSwitch]) -> Option<KillSwitch> {
        if self.is_on(KillSwitch::Global) {
            return Some(KillSwitch::Global);
        }
        switches.iter().copied().find(|switch| self.is_on(*switch))
    }
}

impl FromIterator<KillSwitch> for SwitchSet {
    fn from_iter<I: IntoIterator<Item = KillSwitch>>(switches: I) -> Self {
        switches.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_found_by_name_and_by_number_and_by_nothing_else() {
        for (index, (switch, name)) in KillSwitch::TABLE.into_iter().enumerate() {
            assert_eq!((usize::from(switch.id()), switch.to_string().as_str()), (index, name));
            assert_eq!(name.parse(), Ok(switch));
            assert_eq!(index.to_string().parse(), Ok(switch));
        }
        let next = KillSwitch::TABLE.len().to_string();
        for text in ["", " ", &next, "00", "+1", "-0", "0 ", "account_login", "1.0"] {
            assert_eq!(text.parse::<KillSwitch>(), Err(UnknownSwitch), "{text:?}");
        }
    }

    #[test]
    fn a_switch_that_is_turned_on_twice_is_on_and_no_other_is() {
        let twice = SwitchSet::NONE.with(KillSwitch::FileDelete).with(KillSwitch::FileDelete);
        for (switch, name) in KillSwitch::TABLE {
            assert_eq!(twice.is_on(switch), switch == KillSwitch::FileDelete, "{name}");
        }
    }

    #[test]
    fn global_is_named_before_the_switches_of_the_endpoint() {
        let under = [KillSwitch::AccountModify, KillSwitch::AccountLogin];
        let all = SwitchSet::from_iter([KillSwitch::AccountLogin, KillSwitch::AccountModify, KillSwitch::Global]);
        assert_eq!(all.shutting(&under), Some(KillSwitch::Global));
        assert_eq!(SwitchSet::NONE.with(KillSwitch::AccountLogin).shutting(&under), Some(KillSwitch::AccountLogin));
        assert_eq!(SwitchSet::NONE.with(KillSwitch::FileCreate).shutting(&under), None);
    }
}
