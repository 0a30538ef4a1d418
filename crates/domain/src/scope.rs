//! Scopes: what a scoped session may do (`docs/MODEL.md`, *Scopes*).

use std::fmt;
use std::str::FromStr;

use crate::named::named;

named! {
    /// One permission of a scoped session. The value is the number of its bit in `permissionFlags`. Those whose names
    /// begin with `STAFF_` only staff may hold by name.
    Scope:
    /// All other scopes, the staff ones as long as the user is staff.
    All = 0 "ALL",
    /// Uploading files, in services beside this one.
    UploadFile = 1 "UPLOAD_FILE",
    /// Seeing one's own account.
    AccountRead = 2 "ACCOUNT_READ",
    /// Changing one's own account.
    AccountModify = 3 "ACCOUNT_MODIFY",
    /// Seeing one's own second factors.
    SecondFactorRead = 4 "SECOND_FACTOR_READ",
    /// Seeing one's own sessions.
    SessionRead = 5 "SESSION_READ",
    /// Ending one's own sessions.
    SessionModify = 6 "SESSION_MODIFY",
    /// Seeing one's own files, in services beside this one.
    FileRead = 7 "FILE_READ",
    /// Changing one's own files, in services beside this one.
    FileModify = 8 "FILE_MODIFY",
    /// Seeing all accounts.
    StaffReadAccounts = 9 "STAFF_READ_ACCOUNTS",
    /// Changing all accounts.
    StaffModifyAccounts = 10 "STAFF_MODIFY_ACCOUNTS",
    /// Seeing the second factors of all.
    StaffReadSecondFactors = 11 "STAFF_READ_SECOND_FACTORS",
    /// Removing the second factors of others.
    StaffModifySecondFactors = 12 "STAFF_MODIFY_SECOND_FACTORS",
    /// Seeing the sessions of all.
    StaffReadSessions = 13 "STAFF_READ_SESSIONS",
    /// Ending the sessions of all.
    StaffModifySessions = 14 "STAFF_MODIFY_SESSIONS",
    /// Seeing the files of all, in services beside this one.
    StaffReadFiles = 15 "STAFF_READ_FILES",
    /// Changing the files of all, in services beside this one.
    StaffModifyFiles = 16 "STAFF_MODIFY_FILES",
    /// Changing domains, in services beside this one.
    StaffModifyDomains = 17 "STAFF_MODIFY_DOMAINS",
    /// Changing instructions, in services beside this one.
    StaffModifyInstructions = 18 "STAFF_MODIFY_INSTRUCTIONS",
    /// Turning kill switches, and passing those that are on.
    StaffModifyKillswitches = 19 "STAFF_MODIFY_KILLSWITCHES",
    /// Changing what is logged, in services beside this one.
    StaffModifyLoglevel = 20 "STAFF_MODIFY_LOGLEVEL",
}

impl Scope {
    /// The sum of those that only staff may hold by name.
    pub const STAFF: u32 = {
        let (mut sum, mut index) = (0, 0);
        while index < Self::TABLE.len() {
            let (scope, name) = Self::TABLE[index];
            if let [b'S', b'T', b'A', b'F', b'F', b'_', ..] = name.as_bytes() {
                sum |= scope.bit();
            }
            index += 1;
        }
        sum
    };

    /// The scope's value in `permissionFlags`.
    pub const fn bit(self) -> u32 {
        1 << (self as u8)
    }

    /// Whether only staff may hold it by name.
    pub const fn is_staff(self) -> bool {
        Self::STAFF & self.bit() != 0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no scope's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::from_name(text).ok_or(UnknownScope)
    }
}

/// The scopes of one scoped session: none that is unknown. One that came from elsewhere may have none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeSet(u32);

/// `permissionFlags` that name no scope, or one that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permission flags must be a sum of known scopes")]
pub struct InvalidFlags;

impl ScopeSet {
    const KNOWN: u32 = (1 << Scope::TABLE.len()) - 1;

    /// From the wire and database form. Zero, negative and unknown bits are errors.
    pub fn from_flags(flags: i64) -> Result<Self, InvalidFlags> {
        match u32::try_from(flags) {
            Ok(bits) if bits != 0 && bits & !Self::KNOWN == 0 => Ok(Self(bits)),
            _ => Err(InvalidFlags),
        }
    }

    /// From the database: a session that came from elsewhere may have no scope at all.
    ///
    /// # Errors
    /// For negative and unknown bits.
    pub fn from_stored(flags: i64) -> Result<Self, InvalidFlags> {
        if flags == 0 { Ok(Self(0)) } else { Self::from_flags(flags) }
    }

    /// Of the flags of a program that this one replaces, those that are scopes here, and may be its user's. There may be
    /// none.
    pub const fn known_of(flags: i64, staff: bool) -> Self {
        let mask = if staff { Self::KNOWN } else { Self::KNOWN & !Scope::STAFF };
        // The mask has 32 bits, and is no more than what it keeps.
        Self((flags & mask as i64) as u32)
    }

    /// The wire and database form.
    pub const fn flags(self) -> i64 {
        self.0 as i64
    }

    /// Whether the session may do what `scope` stands for; `ALL` stands for everything.
    /// Staff scopes count only while the user is staff, which [`crate::authorization`] sees to.
    pub const fn allows(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::All.bit()) != 0
    }

    /// Whether a staff scope is asked for by name. `ALL` is not: anybody may ask for it.
    pub const fn names_staff(self) -> bool {
        self.0 & Scope::STAFF != 0
    }

    /// The scopes in the set, in the order of the bits.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::TABLE.into_iter().map(|(scope, _)| scope).filter(move |scope| self.0 & scope.bit() != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_bits() {
        for (index, (scope, name)) in Scope::TABLE.into_iter().enumerate() {
            assert_eq!(scope as usize, index);
            assert_eq!((scope.name(), scope.to_string().as_str()), (name, name));
            assert_eq!(name.parse(), Ok(scope));
            assert_eq!(scope.is_staff(), name.starts_with("STAFF_"));
        }
    }

    #[test]
    fn zero_negative_and_unknown_flags_are_refused() {
        const UNKNOWN: i64 = 1 << Scope::TABLE.len();
        for flags in [0, -1, i64::MIN, i64::MAX, UNKNOWN, UNKNOWN | 2, 1 << 32] {
            assert_eq!(ScopeSet::from_flags(flags), Err(InvalidFlags), "{flags}");
        }
        assert_eq!("upload_file".parse::<Scope>(), Err(UnknownScope));
    }

    #[test]
    fn a_stored_set_may_be_empty_and_is_otherwise_as_strict() {
        assert_eq!(ScopeSet::from_stored(0).map(ScopeSet::flags), Ok(0));
        assert_eq!(ScopeSet::from_stored(6), ScopeSet::from_flags(6));
        for flags in [-1, 1 << Scope::TABLE.len()] {
            assert_eq!(ScopeSet::from_stored(flags), Err(InvalidFlags), "{flags}");
        }
    }

    #[test]
    fn of_foreign_flags_those_stay_that_are_known_and_may_be_their_users() {
        const UNKNOWN: i64 = 1 << Scope::TABLE.len();
        let staff = i64::from(Scope::STAFF);
        for (flags, of_a_user, of_staff) in [
            (0, 0, 0),
            (2 | 4, 2 | 4, 2 | 4),
            (1 | UNKNOWN, 1, 1),
            (UNKNOWN, 0, 0),
            (staff, 0, staff),
            (staff | 8 | UNKNOWN, 8, staff | 8),
            (-1, (UNKNOWN - 1) & !staff, UNKNOWN - 1),
            (1 << 40, 0, 0),
        ] {
            assert_eq!(ScopeSet::known_of(flags, false).flags(), of_a_user, "{flags}");
            assert_eq!(ScopeSet::known_of(flags, true).flags(), of_staff, "{flags}");
        }
    }

    proptest! {
        #[test]
        fn a_set_allows_exactly_its_bits_unless_it_is_all(flags in 1_i64..(1 << Scope::TABLE.len())) {
            let set = ScopeSet::from_flags(flags).unwrap();
            prop_assert_eq!(set.flags(), flags);
            prop_assert_eq!(set.iter().map(|scope| i64::from(scope.bit())).sum::<i64>(), flags);
            for (scope, _) in Scope::TABLE {
                let named = flags & i64::from(scope.bit()) != 0;
                prop_assert_eq!(set.allows(scope), named || flags & 1 == 1);
            }
            prop_assert_eq!(set.names_staff(), set.iter().any(Scope::is_staff));
        }
    }
}
